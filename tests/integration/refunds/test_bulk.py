"""Many operations are refunded by one bulk, each once."""

from perdure.operations.bulk.model import NewBulk
from tests.integration.payments.town import Town

from .refunds import ADA, FUNDS_MINOR, KINDS, broken, check_balance, done, refund


async def test_a_bulk_refunds_each_operation_once_r3(town: Town) -> None:
    found = {kind: await done(town, kind) for kind in KINDS}
    asked_before = await refund(town, found["transfer"].id)
    declined = await town.pay(await town.account(), token="tok_declined")
    await town.end_of(declined)
    ids = (*(one.id for one in found.values()), declined)
    bulk = await town.platform.bulks.create(
        NewBulk("refund", "A wrong price.", ids, confirm_count=len(ids)), actor="ada"
    )
    assert (await town.end_of(bulk.id)).status == "succeeded"
    progress = await town.platform.bulks.progress_of(bulk.id)
    assert (progress.done, progress.refused) == (3, 1)
    for kind, one in found.items():
        refund_id = (await town.platform.operations.get(one.id)).refunded_by
        assert refund_id is not None
        assert (await town.end_of(refund_id)).status == "succeeded"
        assert await KINDS[kind].given_back(town, one) == 1
        await check_balance(town, one, FUNDS_MINOR)
        assert await broken(town, one.id, refund_id) == set()
        (requested,) = [
            entry
            for entry in await town.platform.operations.trail(one.id)
            if entry.action == "refund_requested"
        ]
        if kind == "transfer":
            assert (refund_id, requested.reason) == (asked_before.id, ADA.reason)
        else:
            assert requested.data == {"bulk_id": bulk.id, "refund": refund_id}
