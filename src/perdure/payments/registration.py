"""What the workers need of payments."""

from perdure.capability.wiring import Work, WorkerHost
from perdure.durable.queues import provider_queue
from perdure.durable.registration import Registration, registrations_of
from perdure.fraud import registration as fraud
from perdure.fraud.activities import FraudActivities
from perdure.outside import use_of
from perdure.payments.callbacks import GatewayCallbacks
from perdure.payments.contracts import GATEWAY
from perdure.payments.funding import funded_steps
from perdure.payments.gateway_calls import GatewayCalls
from perdure.payments.lane import lane_of
from perdure.payments.late_charge_workflow import LateChargeWorkflow
from perdure.payments.late_charges import LateChargeActivities
from perdure.payments.process import run_payment
from perdure.payments.refunds import GatewayRefunds
from perdure.payments.settings import PaymentSettings
from perdure.payments.workflow import PaymentWorkflow
from perdure.providers.fraud_scorer import FRAUD_SCORER_ROLE
from perdure.providers.gateway import GATEWAY_ROLE


async def work(host: WorkerHost) -> Work:
    """Return what carries payments out, with the fraud service that they ask."""
    settings, pool = host.settings, host.pool
    use = use_of(GATEWAY_ROLE, settings)
    gateway = host.outside.made(use)
    scorer = host.outside.provider(FRAUD_SCORER_ROLE)
    confirmation_s = settings.of(PaymentSettings).lane_confirmation_s
    callbacks = host.own(GatewayCallbacks)
    callbacks.hear_by(host.hear)
    at_gateway = GatewayCalls(
        host.calls,
        host.steps,
        gateway,
        callbacks,
        first_tries=host.first_tries(),
        callback_url=use.callback_url,
        timeout_s=use.timeout_s,
    )
    funded = funded_steps(pool, host.steps, host.ledger)
    bodies = {**funded.bodies, **at_gateway.bodies(host.permit_soon)}
    late = LateChargeActivities(pool, gateway, at_gateway.charges)
    checks = FraudActivities(pool, scorer, host.first_tries(), host.permit_soon)
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
            *registrations_of(
                run_payment, [PaymentWorkflow, LateChargeWorkflow], bodies, providers=[GATEWAY]
            ),
            Registration(provider_queue(GATEWAY), activities=[late.undo_late_charge]),
            *fraud.registrations(checks),
        ],
        lane=lane.run,
        waits_aside_s=confirmation_s,
        refunds=GatewayRefunds(gateway, timeout_s=use.timeout_s),
    )
