"""The commands that payments and transfers share, as a shell runs them."""

import json
from importlib.metadata import version

import pytest

from perdure.operations import store
from perdure.operations.model import Failure, Status
from perdure.storage.pool import transaction

from .conftest import House
from .shell import Shell


@pytest.mark.parametrize(
    ("kind", "prefix", "own"),
    [
        ("payments", "pay_", ("--payment-method", "tok_ok")),
        ("transfers", "tfr_", ("--destination", "dest_ok")),
    ],
)
async def test_one_is_made_shown_listed_and_cancelled(
    house: House, shell: Shell, kind: str, prefix: str, own: tuple[str, str]
) -> None:
    whose = ("--customer", house.customer_id)
    made = shell.json(
        kind, "create", *whose, "--account", house.account_id, "--amount-minor", "1250", *own
    )
    assert made["id"].startswith(prefix)
    assert (made["status"], made["amount_minor"]) == ("pending", 1250)
    assert shell.json(kind, "get", made["id"]) == made
    shown = shell.run(kind, "show", made["id"])
    assert own[1] in shown.stdout
    assert "12.50 USD" in shown.stdout
    assert shell.json(kind, "list", *whose)["data"] == [made]
    cancelled = shell.json(kind, "cancel", made["id"], "--reason", "Wrong amount.")
    assert cancelled["accepted"]
    request = shell.json(kind, "get", made["id"])["cancel_request"]
    assert request["reason"] == "Wrong amount."


async def test_an_id_of_another_kind_is_refused(shell: Shell) -> None:
    done = shell.run("transfers", "get", "pay_01h455vb4pex5vsknk084sn02q")
    assert done.returncode == 1
    assert "not an id of this kind" in done.stderr


async def test_what_failed_leads_to_its_relaunch_f26(house: House, shell: Shell) -> None:
    own = ("--customer", house.customer_id, "--account", house.account_id, "--reference", "rent")
    pay = ("payments", "create", *own, "--amount-minor", "1250")
    first = shell.json(*pay)["id"]
    await fail(house, first)
    new = shell.json("operations", "relaunch", first, "--reason", "Another card.")["id"]
    assert shell.json(*pay)["id"] == new
    by_reference = ("list", "--customer", house.customer_id, "--reference", "rent")
    for kind in ("payments", "operations"):
        listed = shell.json(kind, *by_reference)
        assert [one["id"] for one in listed["data"]] == [new, first]
        assert listed["has_more"] is False
        lines = shell.run(kind, *by_reference).stdout.splitlines()
        assert [line.partition("relaunch")[2] for line in lines[1:]] == [
            f" of {first}",
            f"ed as {new} (pending)",
        ]
    shown = shell.run("payments", "get", first).stdout
    assert f"relaunched as   {new} (pending)\n" in shown
    followed = shell.run("payments", "watch", first).stdout.splitlines()[-1]
    assert followed.endswith(f"Another card.  relaunched as {new}")
    assert f"relaunch of {first}" in shell.run("operations", "show", new).stdout


async def fail(house: House, operation_id: str) -> None:
    async with transaction(house.pool) as connection:
        operation = await store.lock(connection, operation_id)
        failure = Failure("card_declined", "The card was declined.")
        await store.move(connection, operation, Status.FAILED, action="closed", failure=failure)


async def test_lists_say_whether_there_are_more_f28(house: House, shell: Shell) -> None:
    own = ("--customer", house.customer_id, "--account", house.account_id)
    made = [shell.json("payments", "create", *own, "--amount-minor", "100")["id"] for _ in range(2)]
    ask = ("payments", "list", "--customer", house.customer_id, "--limit", "1")
    page = shell.json(*ask)
    assert ([one["id"] for one in page["data"]], page["has_more"]) == ([made[1]], True)
    assert f"--starting-after {made[1]}" in shell.run(*ask).stderr
    page = shell.json(*ask, "--starting-after", made[1])
    assert ([one["id"] for one in page["data"]], page["has_more"]) == ([made[0]], False)


@pytest.mark.parametrize(
    ("line", "code", "status", "said"),
    [
        ("operations list --kind paymentt", "wrong_usage", 2, "'payment'"),
        ("operations list --status done", "wrong_usage", 2, "'succeeded'"),
        ("bulk create relaunch --reason x --kind paymentt", "wrong_usage", 2, "'payment'"),
        ("payments list --limit x", "wrong_usage", 2, "--limit"),
        ("payments get pay_01h455vb4pex5vsknk084sn02q", "payment_not_found", 1, "no payment"),
    ],
)
def test_an_error_is_json_with_its_code_where_that_is_asked_for_f28(
    shell: Shell, line: str, code: str, status: int, said: str
) -> None:
    done = shell.run(*line.split(), "-o", "json")
    assert (done.returncode, done.stdout) == (status, "")
    error = json.loads(done.stderr)["error"]
    assert error["code"] == code
    assert said in error["message"]
    plain = shell.run(*line.split())
    assert (plain.returncode, plain.stdout) == (status, "")
    assert not plain.stderr.startswith("{")


def test_the_version_and_what_operators_need_first_f28(shell: Shell) -> None:
    assert shell.run("--version").stdout == f"perdure {version('perdure')}\n"
    shown = shell.run("--help").stdout
    places = [shown.index(f"│ {name} ") for name in ("payments", "doctor", "up", "demo")]
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("role", "may"), [("viewer", set()), ("operator", {"pay"}), ("approver", {"pay", "limit"})]
)
def test_a_key_of_a_role_does_what_the_role_may(
    house: House, shell: Shell, role: str, may: set[str]
) -> None:
    elsewhere = shell.elsewhere(shell.json("keys", "create", role, "--role", role)["secret"])
    pay = ("payments", "create", "--customer", house.customer_id, "--account", house.account_id)
    limit = ("limits", "set", "registry-com", "--at-once", "9", "--reason", "x")
    assert elsewhere.run("payments", "list", "--limit", "1").returncode == 0
    for name, done in {
        "pay": elsewhere.run(*pay, "--amount-minor", "1"),
        "limit": elsewhere.run(*limit),
    }.items():
        assert (done.returncode == 0) is (name in may), done.stderr
        assert name in may or "lacks the scope" in done.stderr


def test_scopes_are_printed_as_they_are_written_f28(shell: Shell) -> None:
    scopes = ("--scope", "payments:read", "--scope", "payments:write")
    shown = shell.run("keys", "create", "shop", *scopes).stdout
    assert "scopes       payments:read payments:write\n" in shown
