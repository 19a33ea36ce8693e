"""What the workers need of payments."""

from perdure.durable.queues import OPERATIONS, provider_queue
from perdure.durable.registration import Registration
from perdure.operations.kinds import OperationKind
from perdure.payments.activities import PaymentGatewayActivities, PaymentLedgerActivities
from perdure.payments.at_once import PaymentAtOnceActivities
from perdure.payments.contracts import GATEWAY, ID_PREFIX, KIND, WORKFLOW
from perdure.payments.late_charge_workflow import LateChargeWorkflow
from perdure.payments.late_charges import LateChargeActivities
from perdure.payments.workflow import PaymentWorkflow

PAYMENTS = OperationKind(KIND, ID_PREFIX, WORKFLOW)


def registrations(
    ledger: PaymentLedgerActivities,
    gateway: PaymentGatewayActivities,
    at_once: PaymentAtOnceActivities,
    late: LateChargeActivities,
) -> list[Registration]:
    """Return the work of the queues that payments use."""
    return [
        Registration(
            OPERATIONS,
            [PaymentWorkflow, LateChargeWorkflow],
            [ledger.hold_funds, ledger.settle, ledger.close, at_once.charge_at_once],
        ),
        Registration(
            provider_queue(GATEWAY),
            activities=[
                gateway.charge,
                gateway.resolve_charge,
                gateway.check_charge,
                gateway.confirm_charge,
                gateway.undo_charge,
                late.undo_late_charge,
            ],
        ),
    ]
