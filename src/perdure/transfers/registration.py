"""What the workers need of transfers."""

from perdure.core.script import Bodies, Body
from perdure.durable.registration import Registration
from perdure.durable.registration import registrations as registrations_of
from perdure.operations.kinds import OperationKind
from perdure.transfers.activities import TransferBankActivities, TransferLedgerActivities
from perdure.transfers.contracts import BANK, ID_PREFIX, KIND, WORKFLOW
from perdure.transfers.process import (
    CLOSE,
    FIRST_TRY,
    HOLD,
    PAY_OUT,
    RECALL_PAYOUT,
    RESOLVE_PAYOUT,
    SETTLE,
)
from perdure.transfers.workflow import TransferWorkflow

TRANSFERS = OperationKind(KIND, ID_PREFIX, WORKFLOW)


def bodies_of(ledger: TransferLedgerActivities, bank: TransferBankActivities) -> Bodies:
    """Return what does the work of a transfer's steps."""
    return {
        HOLD: ledger.hold_funds,
        PAY_OUT: bank.pay_out,
        RESOLVE_PAYOUT: bank.resolve_payout,
        SETTLE: ledger.settle,
        RECALL_PAYOUT: bank.recall_payout,
        CLOSE: ledger.close,
    }


def registrations(bodies: Bodies, first_try: Body) -> list[Registration]:
    """Return the work of the queues that transfers use."""
    return registrations_of([TransferWorkflow], {FIRST_TRY: first_try, **bodies}, providers=[BANK])
