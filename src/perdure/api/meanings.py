"""What codes, fields and groups of routes mean, where they mean the same on every route.

A field that means something of its own says so where it is declared, and a kind's own code where
the kind is.
"""

from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Code:
    """An error's code: the status it comes with, and what it says."""

    status: int
    meaning: str


CODES: Final = {
    "invalid_json": Code(400, "The body is not JSON in UTF-8."),
    "missing_field": Code(400, "A field that is required is not there."),
    "unknown_field": Code(400, "There is no field, or query parameter, of this name."),
    "invalid_input": Code(400, "A field is not what it has to be; `param` names it."),
    "invalid_amount": Code(400, "The amount is not a positive whole number of minor units."),
    "unknown_currency": Code(400, "There is no such currency."),
    "currency_mismatch": Code(400, "The account is in another currency."),
    "invalid_id": Code(400, "It is not an id of this kind of thing."),
    "deadline_passed": Code(400, "The deadline is not in the future."),
    "two_cursors": Code(400, "Both `starting_after` and `ending_before` are given."),
    "invalid_cursor": Code(400, "`starting_after` is not an id of this list."),
    "invalid_event_id": Code(400, "`Last-Event-ID` is not one that this stream sent."),
    "invalid_idempotency_key": Code(
        400, "The Idempotency-Key came twice, or is not 1 to 255 printable characters."
    ),
    "missing_idempotency_key": Code(
        400, "There is neither an Idempotency-Key nor a `reference`: sent again, it would be twice."
    ),
    "not_a_customer_account": Code(400, "The account is one of the house's."),
    "reason_required": Code(400, "The reason is blank."),
    "field_not_correctable": Code(400, "The field never changes."),
    "field_fixed": Code(400, "A provider was already asked by what the field says."),
    "nothing_to_correct": Code(400, "The patch changes nothing."),
    "unknown_action": Code(400, "There is no such action."),
    "invalid_rate": Code(400, "The rate is out of range."),
    "invalid_concurrency": Code(400, "The number of calls at once is out of range."),
    "limit_missing": Code(400, "The limit limits nothing: give one of its two figures."),
    "invalid_flag": Code(400, "The flag is not one that can be evaluated."),
    "unknown_variant": Code(400, "The flag has no such variant."),
    "invalid_percent": Code(400, "The share is not 0 to 100."),
    "malformed_callback": Code(400, "The callback is not one of the gateway's."),
    "missing_api_key": Code(401, "There is no API key."),
    "invalid_api_key": Code(401, "The API key is not known."),
    "expired_api_key": Code(401, "The API key has expired."),
    "revoked_api_key": Code(401, "The API key is revoked."),
    "invalid_signature": Code(401, "The callback's signature is not ours."),
    "stale_callback": Code(401, "The callback was signed too long ago."),
    "insufficient_funds": Code(402, "The account has too little money, holds counted."),
    "account_not_open": Code(402, "The account is closed or blocked."),
    "amount_over_limit": Code(402, "The amount is over the limit of one operation."),
    "balance_overflow": Code(402, "The account would hold more than it can count."),
    "too_many_accounts": Code(402, "The customer has as many accounts as it may open by itself."),
    "missing_scope": Code(403, "The API key lacks the scope."),
    "other_customer": Code(403, "The API key is another customer's."),
    "house_only": Code(403, "The API key is a customer's, and this is the house's alone."),
    "account_not_found": Code(404, "There is no such account, or not for this key."),
    "operation_not_found": Code(404, "There is no such operation, or not for this key."),
    "workflow_not_found": Code(404, "It has no workflow: it has not begun, or it is in a lane."),
    "bulk_not_found": Code(404, "There is no such bulk."),
    "flag_not_found": Code(404, "There is no such flag."),
    "limit_not_found": Code(404, "The provider has no limit."),
    "provider_not_found": Code(404, "There is no such provider."),
    "idempotency_key_in_use": Code(409, "The first request with this key is under way."),
    "held_by_house": Code(409, "The house holds it; no customer lifts that."),
    "not_cancellable": Code(409, "It has ended, or is being undone already."),
    "not_parked": Code(409, "It does not need attention, or nobody parked it."),
    "not_parkable": Code(409, "It has ended, or is being undone."),
    "already_parked": Code(409, "It is parked already."),
    "not_relaunchable": Code(409, "It has succeeded, or goes on by itself."),
    "already_relaunched": Code(409, "It was done again already, as `relaunched_as`."),
    "not_refundable": Code(409, "It has not succeeded, or nothing of it can be given back."),
    "already_refunded": Code(409, "What it gives back is being given back by another refund."),
    "being_undone": Code(409, "It is being undone; relaunch it to go on with that."),
    "not_supported": Code(409, "Operations of its kind are not corrected, nor done again."),
    "flag_changed": Code(409, "Somebody changed the flag since that version."),
    "nothing_selected": Code(409, "There is no operation to act on."),
    "confirmation_required": Code(409, "So many operations have to be confirmed by their number."),
    "count_changed": Code(409, "It is another number of operations than was confirmed."),
    "not_undoable": Code(409, "Its action has no inverse."),
    "bulk_under_way": Code(409, "The bulk is under way; stop it first."),
    "bulk_ended": Code(409, "The bulk has ended."),
    "body_too_large": Code(413, "The body is too large; send less in one request."),
    "unsupported_media_type": Code(415, "The body is not sent as `application/json`."),
    "idempotency_key_reused": Code(422, "The Idempotency-Key was used for another request."),
    "idempotency_mismatch": Code(422, "The `reference` was used for another request."),
    "too_many_requests": Code(429, "The API key sends more requests than its share."),
    "too_many_streams": Code(429, "Too many event streams are open."),
    "internal_error": Code(500, "Something is wrong on our side, and it is on record."),
    "database_unavailable": Code(503, "The database is away, or takes no changes now."),
    "engine_unavailable": Code(503, "Temporal is away."),
    "workflow_not_answering": Code(503, "No worker answers for its workflow now."),
}

TAGS: Final[list[dict[str, Any]]] = [
    {"name": "accounts", "description": "Customers' accounts, what is on them, and money paid in."},
    {"name": "ledger", "description": "The books as a whole, for the house."},
    {"name": "operations", "description": "Operations of every kind, and what can be done to one."},
    {"name": "lanes", "description": "Where a flood of operations is carried out."},
    {"name": "bulks", "description": "One action on many operations, at a pace."},
    {"name": "flags", "description": "What decides which engine takes a new operation."},
    {"name": "limits", "description": "How often each provider is called, by the whole fleet."},
    {"name": "callbacks", "description": "What providers tell by themselves, signed."},
    {"name": "health", "description": "Whether the process lives, and can take requests."},
]

EXAMPLES: Final = {
    "account_id": "acc_01h455vb4pex5vsknk084sn02q",
    "amount_minor": 1250,
    "customer_id": "cus_ada",
    "rate_per_s": 50,
    "reason": "Asked for by telephone.",
    "version": 0,
}
"""Of fields of bodies."""

_CUSTOMER: Final = "Your own id of the customer: 1 to 255 letters, digits and marks, no blanks."

FIELDS: Final = {
    "accepted": "Whether it was accepted; a request that is not is an error.",
    "account_id": "The account's id.",
    "action": "What was done.",
    "actor": "Who did it.",
    "after": "How it is since then.",
    "amount_minor": "A whole number of the currency's minor units: 1250 is 12.50 USD.",
    "at": "When.",
    "attempt": "Which attempt it was, counted from 1.",
    "before": "How it was until then.",
    "bulk_id": "The bulk's id.",
    "cancel_request": "Somebody's request to stop it; null: there is none.",
    "code": "Stable: branch on this.",
    "codes": "How many were refused or failed, by code.",
    "created_at": "When it was accepted.",
    "currency": "ISO 4217 code, in capitals.",
    "customer_id": _CUSTOMER,
    "data": "The entries.",
    "deadline": "When it is cancelled if it has not ended by then; null: never.",
    "description": "What it is for, in your words; messages repeat it.",
    "email": "A mail address.",
    "enabled": "Whether its rules are looked at.",
    "failure": "Why it failed, was parked or is being undone; null: nothing is wrong.",
    "finished_at": "When it ended; null: it has not.",
    "flag_key": "The flag's name.",
    "has_more": "Whether there are more beyond this page.",
    "id": "Its id, given by Perdure.",
    "key": "Its name.",
    "kind": "Of which kind it is.",
    "limit": "How many a page has at most.",
    "message": "For people; it may change.",
    "metadata": "Texts of your own; given back, never looked at.",
    "name": "What people call it.",
    "object": "What this is.",
    "operation_id": "The operation's id.",
    "param": "The field at fault, in dotted form; null: none alone.",
    "phone": "A telephone number in E.164 form.",
    "provider": "The provider's name, as in its queue.",
    "reason": "Why.",
    "reference": "Your own name for it.",
    "request_id": "Of the request, as in the header X-Request-Id.",
    "state": "How it stands.",
    "status": "Where it stands.",
    "step": "The step's name.",
    "updated_at": "When it last changed.",
    "url": "The list's address.",
    "version": "Counts its changes.",
}
"""Of parameters too."""
