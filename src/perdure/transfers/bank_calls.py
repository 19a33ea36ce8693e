"""A transfer's steps at the bank."""

from perdure.capability.provider_effect import ProviderEffect
from perdure.providers.bank import PAYOUT_STATUSES, Payout, PayoutBank
from perdure.transfers.contracts import BANK, PayoutOutcome, TransferInput
from perdure.transfers.process import PAY_OUT, RECALL_PAYOUT

PayoutEffect = ProviderEffect[TransferInput, Payout, PayoutOutcome]


def payout_at(bank: PayoutBank) -> PayoutEffect:
    """Return how a bank is asked for a transfer's payout, and to take it back."""

    async def pay_out(transfer: TransferInput) -> Payout:
        request = transfer.request
        return await bank.pay_out(
            reference=transfer.operation_id,
            amount_minor=request.amount_minor,
            currency=request.currency,
            destination=request.destination,
        )

    return ProviderEffect(
        provider=BANK,
        step=PAY_OUT,
        undo=RECALL_PAYOUT,
        ask=pay_out,
        find=bank.find_payout,
        take_back=bank.recall_payout,
        statuses=PAYOUT_STATUSES,
        outcome=lambda payout: PayoutOutcome(payout.id, payout.status, payout.failure_code),
        refunded=lambda payout: {"payout_id": payout.id},
    )
