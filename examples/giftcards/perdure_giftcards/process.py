"""A giftcard's steps, and its script: their order, written once, whatever runs them."""

from operator import attrgetter
from typing import Final

from perdure import (
    CallStep,
    End,
    FirstTry,
    Held,
    PerdureError,
    ProviderDeclined,
    Runner,
    Step,
    failure_of,
    not_reached,
)
from perdure_giftcards.contracts import (
    ORDER_STATUSES,
    PROVIDER,
    UNAVAILABLE,
    FailedGiftcard,
    FoundOrder,
    Giftcard,
    Order,
    OrderedGiftcard,
)

FIRST_TRY: Final = Step("giftcard.run_first_try", Giftcard, FirstTry)
"""All of it in one go, if nothing is in the way."""

HOLD: Final = Step("giftcard.hold_funds", Giftcard, Held, leads_to_call=True)
"""Check the account, and set the money aside."""

RESOLVE_ORDER: Final = CallStep(
    "giftcard.resolve_order", Giftcard, FoundOrder, provider=lambda _: PROVIDER, inquires=True
)
ORDER: Final = CallStep(
    "giftcard.order_giftcard",
    Giftcard,
    Order,
    provider=lambda _: PROVIDER,
    resolve=RESOLVE_ORDER,
    found=attrgetter("order"),
    not_made=not_reached("The provider", UNAVAILABLE),
)
"""Ask the provider for it, once."""

SETTLE: Final = Step("giftcard.settle", OrderedGiftcard, End)
"""Post the money: from here on the giftcard has succeeded."""

REVOKE: Final = CallStep(
    "giftcard.revoke_giftcard", Giftcard, FoundOrder, provider=lambda _: PROVIDER, undoes=ORDER
)
CLOSE: Final = Step("giftcard.close", FailedGiftcard, End, undoes=True)
"""Release the money: the giftcard has failed, or is cancelled."""


async def run_giftcard(giftcard: Giftcard, steps: Runner) -> End:
    """Carry a giftcard to its end: ordered, paid and told, or nothing of it."""
    is_held = False
    try:
        await steps.run(HOLD, giftcard)
        is_held = True
        order = await steps.run(ORDER, giftcard)
        if order.status != ORDER_STATUSES.stands:
            raise ProviderDeclined("The provider has revoked the order.", code="order_revoked")
        ordered = OrderedGiftcard(giftcard.operation_id, giftcard.request, order)
        end = await steps.run(SETTLE, ordered)
    except PerdureError as error:
        # What the provider refused did nothing; any other end may have ordered something.
        if is_held and not isinstance(error, ProviderDeclined):
            await steps.run(REVOKE, giftcard)
        failed = FailedGiftcard(giftcard.operation_id, giftcard.request, failure_of(error))
        end = await steps.run(CLOSE, failed)
    await steps.tell(end.notification_ids)
    return end
