"""Renewals: domains renewed at their registry."""

from datetime import date
from typing import Final

from perdure.capability.declaration import Capability, Shown, in_result
from perdure.renewals.contracts import ID_PREFIX, KIND, WORKFLOW, RenewalRequest

RENEWALS: Final = Capability(
    name=KIND,
    plural="renewals",
    id_prefix=ID_PREFIX,
    workflow=WORKFLOW,
    help="Renewals: domains renewed at their registry.",
    request=RenewalRequest,
    wire="perdure.renewals.wiring:wire",
    work="perdure.renewals.registration:work",
    settings="perdure.renewals.settings:RenewalSettings",
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
        Shown("currency", str | None, in_result("currency")),
        Shown(
            "registry_renewal_id",
            str | None,
            in_result("registry_renewal_id"),
            "The registry's own id, once it has succeeded.",
        ),
    ),
    amount_field="price_minor",
    has_lane=True,
    engine_flag="renewals-engine",
    refundable="perdure.renewals.refunds:REFUNDABLE_RENEWALS",
    invariants="perdure.renewals.verify:INVARIANTS",
    books=("perdure.renewals.verify:REGISTRY_BOOKS",),
    groups={"domains": "perdure.cli.domains:app", "legacy": "perdure.cli.legacy:app"},
)
