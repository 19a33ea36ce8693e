"""Taking transfers in: refused at once, or stored and certain to reach an end."""

from typing import Final

from perdure.core.notes import correctable
from perdure.ledger.store import LedgerStore
from perdure.operations.funded_acceptance import FundedAcceptance
from perdure.storage.pool import Connection
from perdure.transfers.contracts import ID_PREFIX, KIND, TransferInput, TransferRequest
from perdure.transfers.rules import TransferLimits, check_limits, check_request

VERB: Final = "transfer"
"""What the customer wants to do, as messages about the account say it."""


class TransferAcceptance(FundedAcceptance[TransferRequest]):
    """Validates transfers and stores those that may begin.

    Args:
        limits: The house's limits.
    """

    def __init__(self, ledger: LedgerStore[Connection], limits: TransferLimits) -> None:
        super().__init__(
            ledger,
            kind=KIND,
            id_prefix=ID_PREFIX,
            verb=VERB,
            check_request=check_request,
            check_limits=lambda request: check_limits(request, limits),
            request_type=TransferRequest,
            correctable=correctable(TransferRequest),
            input_of=TransferInput,
        )
