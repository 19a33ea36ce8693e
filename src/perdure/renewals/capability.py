"""Renewals: domains renewed at their registry."""

import re
from datetime import date
from typing import Final

from perdure.capability.declaration import Capability, Code, Shown, in_result
from perdure.core.errors import InvalidInput
from perdure.core.tlds import normal_tld
from perdure.flags.model import Attribute
from perdure.renewals.contracts import ID_PREFIX, KIND, WORKFLOW, RenewalRequest

_TLD: Final = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*")


def _checked_tld(tld: str) -> str:
    if not _TLD.fullmatch(normal := normal_tld(tld)):
        raise InvalidInput(
            f"{tld!r} is not a top-level domain; write it as info, co.uk or xn--p1ai."
        )
    return normal


RENEWALS: Final = Capability(
    name=KIND,
    plural="renewals",
    id_prefix=ID_PREFIX,
    workflow=WORKFLOW,
    help="Renewals: domains renewed at their registry.",
    request=RenewalRequest,
    wire="perdure.renewals.wiring:wire",
    work="perdure.renewals.registration:work",
    outside="perdure.renewals.outside:uses",
    remarks={
        "create": "Asked for again while it is under way, a domain's renewal is answered with the"
        " same one.",
        "cancel": "What its registry does not take back stands, and is paid for.",
        "refund": "Whether it is, is its registry's word.",
    },
    shows=(
        Shown(
            "current_expires_on",
            date,
            lambda renewal: date.fromisoformat(renewal.input["current_expires_on"]),
            "The domain's last day when it was accepted.",
        ),
        Shown(
            "expires_on",
            date | None,
            in_result("expires_on"),
            "Its new last day, once it has succeeded.",
        ),
        Shown(
            "price_minor",
            int | None,
            in_result("price_minor"),
            "What was paid, once it has succeeded.",
        ),
        Shown("currency", str | None, in_result("currency"), "ISO 4217 code, in capitals."),
        Shown(
            "registry_renewal_id",
            str | None,
            in_result("registry_renewal_id"),
            "The registry's own id, once it has succeeded.",
        ),
    ),
    codes={
        "invalid_domain": Code(400, "It is not a domain's name, in lower case."),
        "unknown_tld": Code(400, "No registry here has its top-level domain."),
        "invalid_years": Code(400, "It is not 1 to 10 years."),
        "domain_not_found": Code(404, "There is no such domain, or not for this key."),
        "domain_not_owned": Code(
            402, "The domain is no longer this customer's.", of=("create", "refund")
        ),
        "domain_expired": Code(402, "The domain has expired."),
        "expiry_mismatch": Code(409, "The domain's last day is another one."),
        "already_renewed": Code(409, "The domain was renewed from that day already."),
        "renewal_in_progress": Code(409, "The domain is being renewed.", of=("create", "refund")),
        "grace_period_over": Code(409, "The registry takes it back no more.", of=("refund",)),
    },
    amount_field="price_minor",
    has_lane=True,
    engine_flag="renewals-engine",
    routed_by=(Attribute("tld", "Top-level domains", _checked_tld),),
    refundable="perdure.renewals.refunds:REFUNDABLE_RENEWALS",
    invariants="perdure.renewals.verify:INVARIANTS",
    books=("perdure.renewals.verify:REGISTRY_BOOKS",),
    chaos="perdure.renewals.chaos:LOAD",
    demo="perdure.renewals.demo:renewals",
    legacy="perdure.renewals.legacy.way:WAY",
    routes=("perdure.renewals.routes:domains",),
    groups={"domains": "perdure.renewals.commands:app"},
)
