"""Transfers, in every process."""

from perdure.capability.wiring import Host, Wiring
from perdure.operations.waiting import Patience
from perdure.transfers.acceptance import TransferAcceptance
from perdure.transfers.contracts import BANK
from perdure.transfers.rules import TransferLimits
from perdure.transfers.settings import TransferSettings


def wire(host: Host) -> Wiring:
    """Return what takes transfers in."""
    settings = host.settings.of(TransferSettings)
    return Wiring(
        actions=TransferAcceptance(host.ledger, TransferLimits(settings.amount_limit)),
        providers=[BANK],
        patience={"pay_out": Patience(settings.transfer_patience_s, "bank_unavailable")},
    )
