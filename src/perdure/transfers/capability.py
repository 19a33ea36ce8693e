"""Transfers: money paid out at a bank."""

from typing import Final

from perdure.capability.declaration import Capability, Code, Shown, in_result
from perdure.transfers.contracts import ID_PREFIX, KIND, WORKFLOW, TransferRequest

TRANSFERS: Final = Capability(
    name=KIND,
    plural="transfers",
    id_prefix=ID_PREFIX,
    workflow=WORKFLOW,
    help="Transfers: money paid out at a bank.",
    request=TransferRequest,
    wire="perdure.transfers.wiring:wire",
    work="perdure.transfers.registration:work",
    calls=("perdure.providers.bank:BANK_ROLE",),
    shows=(
        Shown(
            "payout_id",
            str | None,
            in_result("payout", "payout_id"),
            "The bank's own id, once it has succeeded.",
        ),
    ),
    codes={
        "payout_not_recallable": Code(409, "The bank does not take it back.", of=("refund",)),
    },
    has_lane=True,
    refundable="perdure.transfers.funding:REFUNDABLE_TRANSFERS",
    invariants="perdure.transfers.verify:INVARIANTS",
    books=("perdure.transfers.verify:BANK_BOOKS",),
    chaos="perdure.transfers.chaos:LOAD",
)
