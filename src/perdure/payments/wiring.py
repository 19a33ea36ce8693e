"""Payments, in every process."""

from perdure.capability.wiring import Host, Wiring
from perdure.durable.queues import FRAUD, provider_queue
from perdure.fraud.contracts import SCORER
from perdure.operations.waiting import Patience
from perdure.payments.acceptance import PaymentAcceptance
from perdure.payments.callbacks import GatewayCallbacks
from perdure.payments.contracts import GATEWAY, UNAVAILABLE
from perdure.payments.late_charges import LateCharges
from perdure.payments.process import CHARGE
from perdure.payments.reporting import PaymentReporting
from perdure.payments.rules import PaymentLimits
from perdure.payments.settings import PaymentSettings


def wire(host: Host) -> Wiring:
    """Return what takes payments in, and what looks after them."""
    settings = host.settings.of(PaymentSettings)
    callbacks = GatewayCallbacks(host.pool, host.engine)
    return Wiring(
        actions=PaymentAcceptance(
            host.ledger,
            PaymentLimits(settings.amount_limit, settings.daily_limit),
            callback_timeout_s=settings.callback_timeout_s,
        ),
        providers=[GATEWAY],
        roles={"fraud": [FRAUD, provider_queue(SCORER)]},
        patience={
            # A score costs nothing, and no money has left yet.
            "score": Patience(settings.patience_s, "fraud_check_unavailable", tries_max=10),
            CHARGE.row_name: Patience(settings.patience_s, UNAVAILABLE),
        },
        chores=[callbacks.redeliver, LateCharges(host.pool, host.client, host.queues).look],
        own=[callbacks, PaymentReporting(host.client)],
    )
