"""What the workers need of payments."""

from perdure.capability.funded import FundedSteps
from perdure.capability.wiring import Work, WorkerHost
from perdure.core.script import Bodies
from perdure.durable.queues import provider_queue
from perdure.durable.registration import Registration
from perdure.durable.registration import registrations as registrations_of
from perdure.fraud import registration as fraud
from perdure.fraud.activities import FraudActivities
from perdure.limits.permits import PermitFor
from perdure.operations.first_tries import FirstTries, call_first_try
from perdure.payments.callbacks import GatewayCallbacks
from perdure.payments.contracts import GATEWAY, ClosePayment, HoldFunds, SettlePayment
from perdure.payments.funding import funded_steps
from perdure.payments.gateway_calls import GatewayCalls
from perdure.payments.lane import lane_of
from perdure.payments.late_charge_workflow import LateChargeWorkflow
from perdure.payments.late_charges import LateChargeActivities
from perdure.payments.process import (
    CHARGE,
    CHARGE_AT_ONCE,
    CHECK_CHARGE,
    CLOSE,
    CONFIRM_CHARGE,
    HOLD,
    RESOLVE_CHARGE,
    SETTLE,
    UNDO_CHARGE,
)
from perdure.payments.refunds import GatewayRefunds
from perdure.payments.settings import PaymentSettings
from perdure.payments.workflow import PaymentWorkflow


async def work(host: WorkerHost) -> Work:
    """Return what carries payments out, with the fraud service that they ask."""
    settings, pool, gateway = host.settings, host.pool, host.outside.gateway
    confirmation_s = settings.of(PaymentSettings).lane_confirmation_s
    callbacks, tries = host.own(GatewayCallbacks), host.first_tries()
    at_gateway = GatewayCalls(
        host.calls,
        host.steps,
        gateway,
        callbacks,
        first_tries=tries,
        callback_url=settings.gateway_callback_url,
        timeout_s=settings.gateway_timeout_s,
    )
    bodies = bodies_of(
        funded_steps(pool, host.steps, host.ledger),
        at_gateway,
        first_tries=tries,
        permit=host.permit_soon,
    )
    checks = FraudActivities(pool, host.outside.scorer, host.first_tries(), host.permit_soon)
    lane = lane_of(
        bodies,
        checks.score,
        callbacks,
        deliver=host.deliver,
        permit=host.permit,
        confirmation_s=confirmation_s,
    )
    return Work(
        registrations=[
            *registrations(bodies, LateChargeActivities(pool, gateway, at_gateway.charges)),
            *fraud.registrations(checks),
        ],
        lane=lane.run,
        waits_aside_s=confirmation_s,
        refunds=GatewayRefunds(gateway, timeout_s=settings.gateway_timeout_s),
    )


def bodies_of(
    funded: FundedSteps[HoldFunds, SettlePayment, ClosePayment],
    gateway: GatewayCalls,
    *,
    first_tries: FirstTries,
    permit: PermitFor,
) -> Bodies:
    """Return what does the work of a payment's steps.

    Args:
        first_tries: Says whether the gateway is quick enough to be called where a workflow runs.
        permit: Lets a call there begin, if it may at once.
    """
    return {
        HOLD: funded.hold,
        CHARGE_AT_ONCE: call_first_try(
            CHARGE, gateway.charge, first_tries=first_tries, permit=permit
        ),
        CHARGE: gateway.charge,
        RESOLVE_CHARGE: gateway.resolve_charge,
        CHECK_CHARGE: gateway.check_charge,
        CONFIRM_CHARGE: gateway.confirm_charge,
        SETTLE: funded.settle,
        UNDO_CHARGE: gateway.undo_charge,
        CLOSE: funded.close,
    }


def registrations(bodies: Bodies, late: LateChargeActivities) -> list[Registration]:
    """Return the work of the queues that payments use."""
    return [
        *registrations_of([PaymentWorkflow, LateChargeWorkflow], bodies, providers=[GATEWAY]),
        Registration(provider_queue(GATEWAY), activities=[late.undo_late_charge]),
    ]
