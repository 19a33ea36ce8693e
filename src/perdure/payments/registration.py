"""What the workers need of payments."""

from perdure.capability.wiring import Work, WorkerHost
from perdure.durable.queues import OPERATIONS, provider_queue
from perdure.durable.registration import Registration
from perdure.fraud import registration as fraud
from perdure.fraud.activities import FraudActivities
from perdure.payments.activities import PaymentGatewayActivities, PaymentLedgerActivities
from perdure.payments.at_once import PaymentAtOnceActivities
from perdure.payments.callbacks import GatewayCallbacks
from perdure.payments.contracts import GATEWAY
from perdure.payments.lane import PaymentLane
from perdure.payments.late_charge_workflow import LateChargeWorkflow
from perdure.payments.late_charges import LateChargeActivities
from perdure.payments.refunds import GatewayRefunds
from perdure.payments.settings import PaymentSettings
from perdure.payments.workflow import PaymentWorkflow


async def work(host: WorkerHost) -> Work:
    """Return what carries payments out, with the fraud service that they ask."""
    settings, pool, gateway = host.settings, host.pool, host.outside.gateway
    confirmation_s = settings.of(PaymentSettings).lane_confirmation_s
    callbacks, tries = host.own(GatewayCallbacks), host.first_tries()
    ledger = PaymentLedgerActivities(pool, host.steps, host.ledger)
    at_gateway = PaymentGatewayActivities(
        host.calls,
        host.steps,
        gateway,
        callbacks,
        first_tries=tries,
        callback_url=settings.gateway_callback_url,
        timeout_s=settings.gateway_timeout_s,
    )
    checks = FraudActivities(pool, host.outside.scorer, host.first_tries(), host.permit_soon)
    lane = PaymentLane(
        ledger,
        at_gateway,
        checks.score,
        callbacks,
        deliver=host.deliver,
        permit=host.permit,
        confirmation_s=confirmation_s,
    )
    return Work(
        registrations=[
            *registrations(
                ledger,
                at_gateway,
                PaymentAtOnceActivities(at_gateway, tries, host.permit_soon),
                LateChargeActivities(pool, gateway, at_gateway.charges),
            ),
            *fraud.registrations(checks),
        ],
        lane=lane.run,
        waits_aside_s=confirmation_s,
        refunds=GatewayRefunds(gateway, timeout_s=settings.gateway_timeout_s),
    )


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
