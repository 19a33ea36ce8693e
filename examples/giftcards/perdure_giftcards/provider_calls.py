"""A giftcard's steps at its provider."""

from perdure import (
    Bodies,
    Expected,
    FirstTries,
    ProviderCall,
    ProviderCalls,
    TransactionalSteps,
    records_its_attempts,
    take_back,
)
from perdure_giftcards.contracts import PROVIDER, GiftcardInput, OrderOutcome, OrderResolution
from perdure_giftcards.process import ORDER, RESOLVE_ORDER, REVOKE
from perdure_giftcards.provider import STATUSES, GiftcardProvider, Order


class GiftcardCalls:
    """A giftcard's steps at its provider.

    Args:
        first_tries: Watches how quick the provider is.
        timeout_s: The longest one call may take, in seconds.
    """

    def __init__(
        self,
        calls: ProviderCalls,
        steps: TransactionalSteps,
        provider: GiftcardProvider,
        *,
        first_tries: FirstTries,
        timeout_s: float,
    ) -> None:
        self._calls = calls
        self._steps = steps
        self._provider = provider
        self._first_tries = first_tries
        self._timeout_s = timeout_s

    @property
    def bodies(self) -> Bodies:
        """What does the work of the steps at the provider."""
        return {ORDER: self.order, RESOLVE_ORDER: self.resolve_order, REVOKE: self.revoke}

    @records_its_attempts
    async def order(self, giftcard: GiftcardInput) -> OrderOutcome:
        """Order it, once, whatever happens to this worker.

        Raises:
            ProviderDeclined: It was refused.
            ProviderError: Not done, or not known; try again.
            OperationCancelled: The giftcard is to stop, and was not ordered.
        """
        return await self._calls.get_or_create(self._call(giftcard))

    async def resolve_order(self, giftcard: GiftcardInput) -> OrderResolution:
        """Find out what became of an order whose answer was lost.

        Raises:
            ProviderOutcomeUnknown: Not known yet; ask again.
        """
        found = await self._calls.resolve(self._call(giftcard))
        return OrderResolution(found)

    async def revoke(self, giftcard: GiftcardInput) -> OrderResolution:
        """Take back what was ordered, if anything was.

        Raises:
            ProviderError: Not known, or not done yet; try again.
            ProviderDisagrees: The provider revoked something else than was ordered, or nothing.
        """
        revoked = await take_back(
            self._steps,
            self._calls,
            self._call(giftcard),
            self._provider.revoke,
            status=lambda _: "revoked",
        )
        return OrderResolution(revoked)

    def _call(self, giftcard: GiftcardInput) -> ProviderCall[Order, OrderOutcome]:
        request, reference = giftcard.request, giftcard.operation_id

        async def create() -> Order:
            with self._first_tries.under_way():
                return await self._provider.order(
                    reference=reference,
                    amount_minor=request.amount_minor,
                    currency=request.currency,
                    item=request.item,
                )

        return ProviderCall(
            operation_id=reference,
            step=ORDER.row_name,
            provider=PROVIDER,
            reference=reference,
            returns=OrderOutcome,
            timeout_s=self._timeout_s,
            create=create,
            find=lambda: self._provider.find(reference),
            expects=Expected(
                PROVIDER,
                {
                    "reference": reference,
                    "amount_minor": request.amount_minor,
                    "currency": request.currency,
                },
                {"status": STATUSES},
            ),
            outcome=_outcome,
        )


def _outcome(order: Order) -> OrderOutcome:
    return OrderOutcome(order.id, order.status)
