"""Giftcards, in a worker: how they are carried out."""

from perdure import ProviderEffect, Work, WorkerHost, work_of_one_effect
from perdure_giftcards.contracts import ORDER_STATUSES, PROVIDER, Giftcard, Order
from perdure_giftcards.money import FUNDED
from perdure_giftcards.process import FIRST_TRY, ORDER, REVOKE, run_giftcard
from perdure_giftcards.provider import GIFTCARD_ROLE, GiftcardProvider
from perdure_giftcards.workflow import GiftcardWorkflow


def order_at(provider: GiftcardProvider) -> ProviderEffect[Giftcard, Order, Order]:
    """Return how a provider is asked for a giftcard, and to take it back."""
    return ProviderEffect(
        provider=PROVIDER,
        step=ORDER,
        undo=REVOKE,
        ask=lambda giftcard: provider.order(giftcard.operation_id, giftcard.request),
        find=provider.find,
        take_back=provider.revoke,
        statuses=ORDER_STATUSES,
        outcome=lambda order: order,
        refunded=lambda order: {"order_id": order.id},
    )


async def work(host: WorkerHost) -> Work:
    """Return what carries giftcards out."""
    return work_of_one_effect(
        host,
        run_giftcard,
        funded=FUNDED,
        role=GIFTCARD_ROLE,
        effect=order_at,
        first_try=FIRST_TRY,
        workflow=GiftcardWorkflow,
    )
