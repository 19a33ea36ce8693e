"""What takes operations in, for tests that have no platform."""

from perdure.capability.taking_in import acceptance_of
from perdure.core.money import AmountLimit
from perdure.ledger.store import LedgerStore
from perdure.operations.funded_acceptance import FundedAcceptance
from perdure.storage.pool import Connection
from perdure.transfers.capability import TRANSFERS
from perdure.transfers.contracts import TransferInput, TransferRequest
from perdure.transfers.funding import FUNDED
from perdure.transfers.rules import check_request


def transfers_at(ledger: LedgerStore[Connection]) -> FundedAcceptance[TransferRequest]:
    """Return what takes transfers in, of any amount."""
    return acceptance_of(
        TRANSFERS,
        FUNDED,
        ledger,
        check_request=check_request,
        input_of=TransferInput,
        limit=AmountLimit(),
    )
