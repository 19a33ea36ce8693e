"""Erasures, in every process."""

from perdure.capability.assembly import kept_traces
from perdure.capability.wiring import Host, Wiring
from perdure.durable.later import Waking
from perdure.erasures.acceptance import ErasureAcceptance


def wire(host: Host) -> Wiring:
    """Return what takes erasures in."""
    return Wiring(actions=ErasureAcceptance(host.ledger, kept_traces()), own=[Waking(host.client)])
