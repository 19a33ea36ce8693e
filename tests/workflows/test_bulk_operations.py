"""Bulks over real payments and transfers; those of many are in tests/integration/bulk."""

from collections import Counter
from dataclasses import replace
from typing import Any

from perdure.operations.bulk.model import BulkQuery, NewBulk
from perdure.operations.model import By, Operation, Status
from perdure.payments.contracts import PaymentRequest
from perdure.transfers.contracts import TransferRequest
from tests.integration.payments.town import Town
from tests.polls import eventually

FAST = 10_000.0


async def carry_out(town: Town, action: str, query: BulkQuery, count: int) -> Operation:
    """Have a bulk carried out over so many operations; returns how it ended."""
    bulks = town.platform.bulks
    new = NewBulk(action, "because", query, rate_per_s=FAST, confirm_count=count)
    bulk = await bulks.create(new, actor="ada")
    operation = await town.until(bulk.id, {"succeeded"}, within_s=120)
    assert operation.result is not None
    assert operation.result["items"] == count, operation.result
    return operation


async def statuses(town: Town, customer_id: str, **more: Any) -> Counter[str]:
    preview = await town.platform.bulks.preview(BulkQuery(customer_id=customer_id, **more))
    return Counter(preview.by_status)


async def until_all(town: Town, customer_id: str, expected: dict[str, int]) -> None:
    found: Counter[str] = Counter()

    async def as_expected() -> bool:
        nonlocal found
        found = await statuses(town, customer_id)
        return found == expected

    await eventually(as_expected, within_s=120, pause_s=0.2, why_not=lambda: found)


async def test_failed_payments_are_relaunched_once_each_r8(town: Town) -> None:
    account: dict[str, Any] = await town.account(funds_minor=1_000_000)
    customer = account["customer_id"]
    request = PaymentRequest(**account, amount_minor=1_000, payment_method="tok_declined")
    async with town.platform.operations.transaction() as connection:
        await town.platform.kinds.acceptance("payment").accept_many(
            connection, [request] * 40, actor="tests", lanes=[n % 4 for n in range(40)]
        )
    await town.platform.operations.run_lanes("payment", range(4))
    await until_all(town, customer, {"failed": 40})
    failed = BulkQuery(kind="payment", status=Status.FAILED, customer_id=customer)
    end = await carry_out(town, "relaunch", failed, 40)
    assert end.result is not None
    assert (end.result["done"], end.result["refused"]) == (40, 0)
    # Declined again; and each was done again once.
    await until_all(town, customer, {"failed": 80})
    made = {item.new_operation_id for item in await town.platform.bulks.items(end.id, limit=50)}
    rows = await town.platform.pool.fetch(
        "SELECT id, relaunch_of, lane IS NOT NULL AS in_lane FROM operations"
        " WHERE relaunch_of IS NOT NULL AND customer_id = $1",
        customer,
    )
    assert {row["id"] for row in rows} == made
    assert len({row["relaunch_of"] for row in rows}) == len(made) == 40
    first_ones = replace(failed, created_before=end.created_at)
    second = await carry_out(town, "relaunch", first_ones, 40)
    assert second.result is not None
    assert second.result["codes"] == {"already_relaunched": 40}
    balance = await town.balance(account)
    assert (balance.posted_minor, balance.available_minor) == (1_000_000, 1_000_000)


async def test_transfers_are_cancelled_and_their_money_is_free_again_r8(town: Town) -> None:
    account: dict[str, Any] = await town.account(funds_minor=1_000_000)
    customer = account["customer_id"]
    request = TransferRequest(**account, amount_minor=1_000, destination="dest_ok")
    async with town.platform.operations.transaction() as connection:
        await town.platform.kinds.acceptance("transfer").accept_many(
            connection, [request] * 40, actor="tests", lanes=[None] * 40
        )
    # Nothing is begun but what the janitor begins meanwhile.
    end = await carry_out(town, "cancel", BulkQuery(kind="transfer", customer_id=customer), 40)
    assert end.result is not None
    cancelled, refused = end.result["done"], end.result["refused"]
    assert end.result["codes"] == ({"not_cancellable": refused} if refused else {})
    await until_all(
        town,
        customer,
        {"cancelled": cancelled} | ({"succeeded": refused} if refused else {}),
    )
    balance = await town.balance(account)
    left = 1_000_000 - 1_000 * refused
    assert (balance.posted_minor, balance.available_minor) == (left, left)


async def test_parked_transfers_wait_and_go_on_when_that_is_undone_r8(town: Town) -> None:
    account: dict[str, Any] = await town.account(funds_minor=1_000_000)
    customer = account["customer_id"]
    request = TransferRequest(**account, amount_minor=1_000, destination="dest_ok")
    async with town.platform.operations.transaction() as connection:
        await town.platform.kinds.acceptance("transfer").accept_many(
            connection, [request] * 40, actor="tests", lanes=[None] * 40
        )
    end = await carry_out(town, "park", BulkQuery(kind="transfer", customer_id=customer), 40)
    assert end.result is not None
    parked = end.result["done"]
    assert (await statuses(town, customer))["needs_attention"] == parked > 0
    async with town.platform.operations.transaction() as connection:
        undo = await town.platform.bulks.undo(
            connection, end.id, By("ada", "go on"), confirm_count=parked
        )
    await town.platform.bulks.begin(undo)
    await until_all(town, customer, {"succeeded": 40})
    balance = await town.balance(account)
    assert balance.posted_minor == balance.available_minor == 960_000


async def test_what_has_succeeded_is_refunded_r8(town: Town) -> None:
    account: dict[str, Any] = await town.account(funds_minor=1_000_000)
    customer = account["customer_id"]
    request = TransferRequest(**account, amount_minor=1_000, destination="dest_ok")
    async with town.platform.operations.transaction() as connection:
        await town.platform.kinds.acceptance("transfer").accept_many(
            connection, [request] * 20, actor="tests", lanes=[n % 4 for n in range(20)]
        )
    await town.platform.operations.run_lanes("transfer", range(4))
    await until_all(town, customer, {"succeeded": 20})
    end = await carry_out(town, "refund", BulkQuery(kind="transfer", customer_id=customer), 20)
    assert end.result is not None
    assert end.result["done"] == 20
    made = {item.new_operation_id for item in await town.platform.bulks.items(end.id, limit=50)}
    refunds = await town.platform.bulks.preview(BulkQuery(kind="refund", customer_id=customer))
    assert refunds.count == len(made) == 20
    await until_all(town, customer, {"succeeded": 40})
    balance = await town.balance(account)
    assert (balance.posted_minor, balance.available_minor) == (1_000_000, 1_000_000)
