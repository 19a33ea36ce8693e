"""`perdure operations cancel|relaunch|park|release|correct|show`, as a shell runs them."""

import pytest

from perdure.operations import store
from perdure.operations.model import Failure, Status
from perdure.storage.pool import transaction

from .conftest import House
from .shell import Shell

REASON = ("--reason", "Asked by phone.")


@pytest.fixture
def payment(house: House, shell: Shell) -> str:
    """A payment that nothing carries out."""
    whose = ("--customer", house.customer_id, "--account", house.account_id)
    deadline = ("--deadline", "2035-01-31T12:00:00Z")
    made = shell.json("payments", "create", *whose, "--amount-minor", "1250", *deadline)
    assert made["deadline"] == "2035-01-31T12:00:00Z"
    found: str = made["id"]
    return found


async def test_one_is_parked_corrected_and_released(shell: Shell, payment: str) -> None:
    parked = shell.json("operations", "park", payment, *REASON)
    assert parked["status"] == "needs_attention"
    shown = shell.run("operations", "show", payment).stdout
    assert "relaunch, release, correct, cancel" in shown
    assert "Asked by phone." in shown
    corrected = shell.json(
        "operations",
        "correct",
        payment,
        *REASON,
        "--set",
        "payee.email=ada@example.com",
        "--patch",
        '{"payee": {"name": "Ada"}}',
        "--no-go-on",
    )
    assert corrected["request"]["payee"] == {
        "name": "Ada",
        "email": "ada@example.com",
        "phone": None,
    }
    released = shell.run("operations", "release", payment, *REASON)
    assert "It goes on." in released.stdout
    told = shell.json("operations", "show", payment)
    assert [entry["action"] for entry in told["trail"]] == [
        "accepted",
        "promoted",
        "parked",
        "corrected",
        "released",
    ]
    assert told["trail"][2]["actor"] == "key:tests"
    assert (told["status"], told["steps"], told["calls"]) == ("pending", [], [])


async def test_one_that_failed_is_relaunched_once(house: House, shell: Shell, payment: str) -> None:
    async with transaction(house.pool) as connection:
        operation = await store.lock(connection, payment)
        failure = Failure("card_declined", "The card was declined.")
        await store.move(connection, operation, Status.FAILED, action="closed", failure=failure)
    new = shell.json("operations", "relaunch", payment, *REASON)
    assert new["relaunch_of"] == payment
    assert new["id"] in shell.run("operations", "show", payment).stdout
    again = shell.run("operations", "relaunch", payment, *REASON)
    assert again.returncode == 1
    assert new["id"] in again.stderr
    stopped = shell.run("operations", "cancel", new["id"], *REASON)
    assert "It will stop" in stopped.stdout
    refused = shell.run("operations", "correct", new["id"], *REASON, "--set", "description=Rent")
    assert (refused.returncode, "not parked" in refused.stderr) == (1, True)


async def test_nobody_acts_without_a_reason(shell: Shell, payment: str) -> None:
    assert shell.run("operations", "park", payment).returncode == 2
    empty = shell.run("operations", "park", payment, "--reason", " ")
    assert (empty.returncode, "reason" in empty.stderr) == (1, True)
