"""`perdure operations refund`, as a shell runs it."""

from perdure.operations import store
from perdure.operations.model import Status
from perdure.storage.pool import transaction

from .conftest import House
from .shell import Shell


async def test_a_payment_is_refunded_and_both_are_shown(house: House, shell: Shell) -> None:
    whose = ("--customer", house.customer_id, "--account", house.account_id)
    own = ("--amount-minor", "1250", "--payment-method", "tok_ok")
    payment_id = shell.json("payments", "create", *whose, *own)["id"]
    asked = ("operations", "refund", payment_id, "--reason", "Sent twice.")
    refused = shell.run(*asked)
    assert refused.returncode == 1
    assert "only what has succeeded is refunded. Cancel it." in " ".join(refused.stderr.split())
    async with transaction(house.pool) as connection:
        operation = await store.lock(connection, payment_id)
        await store.move(connection, operation, Status.SUCCEEDED, action="ended")
    shown = shell.json("operations", "show", payment_id)
    assert (shown["next_actions"], shown["refunded_by"]) == (["refund"], None)
    refund = shell.json(*asked)
    assert (refund["kind"], refund["refund_of"]) == ("refund", payment_id)
    assert (refund["request"]["amount_minor"], refund["request"]["reason"]) == (
        1250,
        "Sent twice.",
    )
    again = shell.run(*asked)
    assert f"{refund['id']} (pending): It is the refund of {payment_id}." in again.stdout
    assert refund["id"] in shell.run("operations", "show", payment_id).stdout
    assert payment_id in shell.run("operations", "show", refund["id"]).stdout
