"""How long each step waits for its provider, as the settings say."""

from perdure.config import Settings
from perdure.operations.waiting import Patience


def patience_of(settings: Settings) -> dict[str, Patience]:
    """Return how long each step that may be given up waits for its provider, by its name."""
    payment_s, renewal_s = settings.payment_patience_s, settings.renewal_patience_s
    return {
        # A score costs nothing, and no money has left yet.
        "score": Patience(payment_s, "fraud_check_unavailable", tries_max=10),
        "charge": Patience(payment_s, "gateway_unavailable"),
        "pay_out": Patience(settings.transfer_patience_s, "bank_unavailable"),
        "check_domain": Patience(renewal_s, "registry_unavailable"),
        "renew": Patience(renewal_s, "registry_unavailable"),
        "read_report": Patience(renewal_s, "registry_unavailable"),
        "give_back": Patience(settings.refund_patience_s, "provider_unavailable"),
    }
