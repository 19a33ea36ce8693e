"""Transfers, in every process: how they are taken in."""

from perdure.capability.taking_in import wiring_of_one_effect
from perdure.capability.wiring import Host, Wiring
from perdure.transfers.capability import TRANSFERS
from perdure.transfers.contracts import BANK, UNAVAILABLE
from perdure.transfers.funding import FUNDED
from perdure.transfers.process import PAY_OUT
from perdure.transfers.rules import check_request


def wire(host: Host) -> Wiring:
    """Return what takes transfers in."""
    return wiring_of_one_effect(
        host,
        TRANSFERS,
        FUNDED,
        check_request=check_request,
        provider=BANK,
        call=PAY_OUT,
        unavailable=UNAVAILABLE,
    )
