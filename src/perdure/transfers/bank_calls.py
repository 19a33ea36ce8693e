"""A transfer's steps at the bank."""

from perdure.core.script import Bodies
from perdure.durable.interceptors.operation_sync import records_its_attempts
from perdure.operations.agreement import Expected
from perdure.operations.first_tries import FirstTries
from perdure.operations.provider_call import ProviderCall
from perdure.operations.provider_calls import ProviderCalls
from perdure.operations.steps import TransactionalSteps
from perdure.operations.taking_back import take_back
from perdure.providers.bank import PAYOUT_STATUSES, Payout, PayoutBank
from perdure.transfers.contracts import BANK, PayoutOutcome, PayoutResolution, TransferInput
from perdure.transfers.process import PAY_OUT, RECALL_PAYOUT, RESOLVE_PAYOUT


class BankCalls:
    """A transfer's steps at the bank.

    Args:
        first_tries: Watches how quick the bank is.
        timeout_s: The longest one call may take, in seconds.
    """

    def __init__(
        self,
        calls: ProviderCalls,
        steps: TransactionalSteps,
        bank: PayoutBank,
        *,
        first_tries: FirstTries,
        timeout_s: float = 5.0,
    ) -> None:
        self._calls = calls
        self._steps = steps
        self._bank = bank
        self._first_tries = first_tries
        self._timeout_s = timeout_s

    @property
    def bodies(self) -> Bodies:
        """What does the work of the steps at the bank."""
        return {
            PAY_OUT: self.pay_out,
            RESOLVE_PAYOUT: self.resolve_payout,
            RECALL_PAYOUT: self.recall_payout,
        }

    @records_its_attempts
    async def pay_out(self, transfer: TransferInput) -> PayoutOutcome:
        """Have the bank pay, once, whatever happens to this worker.

        Raises:
            ProviderDeclined: It refused.
            ProviderError: Not done, or not known; try again.
            OperationCancelled: The transfer is to stop, and was not paid out.
        """
        return await self._calls.get_or_create(self._payout_call(transfer))

    async def resolve_payout(self, transfer: TransferInput) -> PayoutResolution:
        """Find out what became of a payout whose answer was lost.

        Raises:
            ProviderOutcomeUnknown: Not known yet; ask again.
        """
        found = await self._calls.resolve(self._payout_call(transfer))
        return PayoutResolution(found)

    async def recall_payout(self, transfer: TransferInput) -> PayoutResolution:
        """Take back what was paid out, if anything was.

        Raises:
            ProviderError: Not known, or not done yet; try again.
            ProviderDisagrees: The bank took back something else than it has paid, or nothing.
        """
        recalled = await take_back(
            self._steps,
            self._calls,
            self._payout_call(transfer),
            self._bank.recall_payout,
            status=lambda paid: "failed" if paid.status == "failed" else "recalled",
        )
        return PayoutResolution(recalled)

    def _payout_call(self, transfer: TransferInput) -> ProviderCall[Payout, PayoutOutcome]:
        request, reference = transfer.request, transfer.operation_id

        async def create() -> Payout:
            with self._first_tries.under_way():
                return await self._bank.pay_out(
                    reference=reference,
                    amount_minor=request.amount_minor,
                    currency=request.currency,
                    destination=request.destination,
                )

        return ProviderCall(
            operation_id=transfer.operation_id,
            step="pay_out",
            provider=BANK,
            reference=reference,
            returns=PayoutOutcome,
            timeout_s=self._timeout_s,
            create=create,
            find=lambda: self._bank.find_payout(reference),
            expects=Expected(
                BANK,
                {
                    "reference": reference,
                    "amount_minor": request.amount_minor,
                    "currency": request.currency,
                },
                {"status": PAYOUT_STATUSES},
            ),
            outcome=_outcome,
        )


def _outcome(payout: Payout) -> PayoutOutcome:
    return PayoutOutcome(payout.id, payout.status, payout.failure_code)
