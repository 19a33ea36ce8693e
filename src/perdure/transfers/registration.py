"""What the workers need of transfers."""

from perdure.durable.queues import OPERATIONS, provider_queue
from perdure.durable.registration import Registration
from perdure.operations.kinds import OperationKind
from perdure.transfers.activities import TransferBankActivities, TransferLedgerActivities
from perdure.transfers.at_once import TransferAtOnceActivities
from perdure.transfers.contracts import BANK, ID_PREFIX, KIND, WORKFLOW
from perdure.transfers.workflow import TransferWorkflow

TRANSFERS = OperationKind(KIND, ID_PREFIX, WORKFLOW)


def registrations(
    ledger: TransferLedgerActivities,
    bank: TransferBankActivities,
    at_once: TransferAtOnceActivities,
) -> list[Registration]:
    """Return the work of the queues that transfers use."""
    return [
        Registration(
            OPERATIONS,
            [TransferWorkflow],
            [ledger.hold_funds, ledger.settle, ledger.close, at_once.run_at_once],
        ),
        Registration(
            provider_queue(BANK),
            activities=[bank.pay_out, bank.resolve_payout, bank.recall_payout],
        ),
    ]
