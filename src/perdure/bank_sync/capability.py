"""Bank syncs: what happened on customers' accounts at other banks, read and kept."""

from typing import Final

from perdure.bank_sync.contracts import ID_PREFIX, KIND, WORKFLOW, BankSyncRequest
from perdure.capability.declaration import Capability, Code, Shown, in_result
from perdure.storage.declared import CustomersRows

BANK_SYNCS: Final = Capability(
    name=KIND,
    plural="bank-syncs",
    id_prefix=ID_PREFIX,
    workflow=WORKFLOW,
    help="Bank syncs: what happened on customers' accounts at other banks.",
    request=BankSyncRequest,
    wire="perdure.bank_sync.wiring:wire",
    work="perdure.bank_sync.registration:work",
    calls=("perdure.providers.aggregator:AGGREGATOR_ROLE",),
    remarks={
        "create": "Asked for while the item is being read, that sync is the answer, and the item is"
        " read once more after it.",
        "cancel": "What was read so far is forgotten; the item is where it was.",
    },
    shows=(
        Shown("pages", int | None, in_result("pages"), "How many pages were read so far."),
        Shown("changes", int | None, in_result("changes"), "How many changes they told."),
        Shown("restarts", int | None, in_result("restarts"), "How often it had to begin anew."),
        Shown(
            "synced",
            int | None,
            in_result("synced"),
            "How many transactions were added, changed or removed, once it has succeeded.",
            in_list=True,
        ),
        Shown("added", int | None, in_result("added"), "How many of them were not known."),
        Shown("modified", int | None, in_result("modified"), "How many were known otherwise."),
        Shown("removed", int | None, in_result("removed"), "How many are no more."),
        Shown("flagged", int | None, in_result("flagged"), "How many of them stand out."),
    ),
    codes={
        "item_not_found": Code(404, "There is no such bank item, or not for this key."),
        "item_ended": Code(409, "The bank item was unlinked, or its bank tells nothing any more."),
        "item_linked": Code(409, "Another customer has linked it.", of=()),
        "public_token_refused": Code(402, "The token is none, or is too old.", of=()),
        "provider_unavailable": Code(503, "The aggregator is away; ask again later.", of=()),
        "provider_rate_limited": Code(429, "The aggregator wants to be asked later.", of=()),
        "provider_outcome_unknown": Code(503, "The aggregator gave no answer; ask again.", of=()),
        "sync_in_progress": Code(409, "The bank item is being read for another request."),
    },
    amount_field=None,
    tags={"bank_items": "Customers' accounts at other banks, and what happened on them."},
    routes=("perdure.bank_sync.routes:router", "perdure.bank_sync.routes:callbacks"),
    groups={"bank-items": "perdure.bank_sync.commands:app"},
    before_serving="perdure.bank_sync.routes:check_aggregator",
    customers_rows=(
        CustomersRows("bank_items"),
        CustomersRows("bank_accounts", "EXISTS (SELECT FROM bank_items WHERE id = item_id)"),
        CustomersRows("bank_transactions"),
    ),
    traces="perdure.bank_sync.traces:BankTraces",
    invariants="perdure.bank_sync.verify:INVARIANTS",
    chaos="perdure.bank_sync.chaos:LOAD",
)
