"""Renewals, in every process."""

from typing import Final

from perdure.capability.wiring import Host, Wiring
from perdure.operations.waiting import Patience
from perdure.providers.registry import registry_name
from perdure.renewals.acceptance import RenewalAcceptance
from perdure.renewals.desk import RenewalDesk
from perdure.renewals.settings import RenewalSettings

_AT_THE_REGISTRY: Final = ("check_domain", "renew", "read_report")


def wire(host: Host) -> Wiring:
    """Return what takes renewals in."""
    settings = host.settings.of(RenewalSettings)
    tlds = settings.tlds
    acceptance = RenewalAcceptance(host.ledger, tlds, lanes=host.settings.lanes)
    patience = Patience(settings.renewal_patience_s, "registry_unavailable")
    return Wiring(
        actions=acceptance,
        acceptance=RenewalDesk(acceptance, host.routing),
        providers=[registry_name(tld) for tld in tlds],
        patience=dict.fromkeys(_AT_THE_REGISTRY, patience),
        lane_for=acceptance.lane_for,
    )
