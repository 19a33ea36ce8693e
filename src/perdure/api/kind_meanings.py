"""The codes of errors that kinds of operation answer with: what all have, and a kind's own."""

from dataclasses import fields
from typing import Any, Final

from perdure.api.meanings import CODES
from perdure.capabilities import installed
from perdure.capability.declaration import Capability, Code

CANCELLING: Final = ("not_cancellable", "held_by_house", "reason_required")

_REFUNDING: Final = (
    "not_refundable",
    "held_by_house",
    "already_refunded",
    "account_not_open",
    "reason_required",
)
_BY_FIELD: Final = {
    "account_id": ("invalid_id", "account_not_found", "account_not_open", "insufficient_funds"),
    "amount_minor": ("amount_over_limit", "unknown_currency", "currency_mismatch"),
}
"""What can be wrong of a request's fields, whatever the kind."""


def accepting(kind: Capability) -> list[str]:
    """Return the codes that a request for one is refused with."""
    names = [field.name for field in fields(kind.request)]
    found = [code for name in names for code in _BY_FIELD.get(name, ())]
    if any("_minor" in name for name in names):
        found.append("invalid_amount")
    found += ["customer_erased", "deadline_passed", "idempotency_mismatch"]
    return [*found, *_own(kind, "create")]


def refunding(kind: Capability) -> list[str]:
    """Return the codes that it is not given back with."""
    return [*_REFUNDING, *_own(kind, "refund")]


def of_every_kind(action: str) -> list[str]:
    """Return the codes of any kind: of an action that is asked for by the operation's id alone."""
    told = {"create": accepting, "refund": refunding}[action]
    created = (kind for kind in installed().values() if kind.is_created)
    return list(dict.fromkeys(code for kind in created for code in told(kind)))


def all_codes() -> dict[str, Code]:
    """Return what each code says, with those of the kinds that are installed."""
    found = dict(CODES)
    for kind in _kinds():
        missing = Code(404, f"There is no such {kind.name}, or not for this key.")
        found |= {f"{kind.name}_not_found": missing}
    for kind in installed().values():
        found |= kind.codes
    return found


def kind_tags() -> list[dict[str, Any]]:
    """Return what each kind's routes are about, by their tags."""
    found = {kind.plural: kind.help for kind in _kinds()}
    for kind in installed().values():
        found |= kind.tags
    return [{"name": name, "description": said} for name, said in found.items()]


def _kinds() -> list[Capability]:
    """Return those that the API knows by their plural: it creates them, or they have routes."""
    return [kind for kind in installed().values() if kind.is_created or kind.routes]


def _own(kind: Capability, action: str) -> list[str]:
    return [code for code, said in kind.codes.items() if action in said.of]
