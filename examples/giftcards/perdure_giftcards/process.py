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
    Refused,
    Runner,
    Step,
    failure_of,
)
from perdure_giftcards import contracts, rules
from perdure_giftcards.contracts import (
    PROVIDER,
    CloseGiftcard,
    GiftcardInput,
    OrderOutcome,
    OrderResolution,
    SettleGiftcard,
)


def _provider(_: GiftcardInput) -> str:
    return PROVIDER


def _not_made(_: GiftcardInput, __: PerdureError) -> PerdureError:
    return Refused(
        "The provider cannot be reached, so no money was moved; try again later.",
        code="giftcards_unavailable",
    )


FIRST_TRY: Final = Step(contracts.RUN_FIRST_TRY, GiftcardInput, FirstTry)
"""All of it in one go, if nothing is in the way."""

HOLD: Final = Step(contracts.HOLD_FUNDS, GiftcardInput, Held)
"""Check the account, and set the money aside."""

RESOLVE_ORDER: Final = CallStep(
    contracts.RESOLVE_ORDER, GiftcardInput, OrderResolution, provider=_provider, inquires=True
)
ORDER: Final = CallStep(
    contracts.ORDER,
    GiftcardInput,
    OrderOutcome,
    provider=_provider,
    resolve=RESOLVE_ORDER,
    found=attrgetter("order"),
    not_made=_not_made,
)
"""Ask the provider for it, once."""

SETTLE: Final = Step(contracts.SETTLE, SettleGiftcard, End)
"""Post the money: from here on the giftcard has succeeded."""

REVOKE: Final = CallStep(
    contracts.REVOKE, GiftcardInput, OrderResolution, provider=_provider, undoes=ORDER
)
CLOSE: Final = Step(contracts.CLOSE, CloseGiftcard, End, undoes=True)
"""Release the money: the giftcard has failed, or is cancelled."""


async def run_giftcard(giftcard: GiftcardInput, steps: Runner) -> End:
    """Carry a giftcard to its end: ordered, paid and told, or nothing of it."""
    is_held = False
    try:
        await steps.run(HOLD, giftcard)
        is_held = True
        order = await steps.run(ORDER, giftcard)
        rules.check_fulfilled(order)
        end = await steps.run(SETTLE, SettleGiftcard(giftcard, order))
    except PerdureError as error:
        # What the provider refused did nothing; any other end may have ordered something.
        if is_held and not isinstance(error, ProviderDeclined):
            await steps.run(REVOKE, giftcard)
        end = await steps.run(CLOSE, CloseGiftcard(giftcard, failure_of(error)))
    await steps.tell(end.notification_ids)
    return end
