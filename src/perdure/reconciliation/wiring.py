"""Reconciliations and breaks, in every process."""

from functools import partial

from perdure.capability.wiring import Host, Wiring
from perdure.reconciliation.acceptance import BreakActions, ReconciliationAcceptance
from perdure.reconciliation.contracts import ReconciliationOptions
from perdure.reconciliation.settings import ReconciliationSettings
from perdure.reconciliation.statements.uploads import forget_old


def wire(host: Host) -> Wiring:
    """Return what takes reconciliations in."""
    settings = host.settings.of(ReconciliationSettings)
    options = ReconciliationOptions(
        settings.batch, settings.at_once, settings.pause_s, settings.run_batches
    )
    return Wiring(
        actions=ReconciliationAcceptance(options), chores=[partial(forget_old, host.pool)]
    )


def wire_breaks(_: Host) -> Wiring:
    """Return what can be done to breaks."""
    return Wiring(actions=BreakActions())
