"""Refunds, in every process."""

from perdure.capability.wiring import Host, Wiring
from perdure.operations.waiting import Patience
from perdure.refunds.acceptance import RefundAcceptance
from perdure.refunds.settings import RefundSettings


def wire(host: Host) -> Wiring:
    """Return what takes refunds in, of every kind that can be refunded."""
    refunds = RefundAcceptance(host.ledger, host.refundable.values())
    patience_s = host.settings.of(RefundSettings).refund_patience_s
    return Wiring(
        actions=refunds,
        patience={"give_back": Patience(patience_s, "provider_unavailable")},
        refunds=refunds,
    )
