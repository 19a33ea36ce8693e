"""Onboardings: somebody becomes a customer, once their identity is confirmed."""

from datetime import datetime
from typing import Final

from perdure.capability.declaration import Capability, Code, Shown, in_result
from perdure.onboarding.contracts import (
    ALREADY_ONBOARDED,
    ID_PREFIX,
    KIND,
    WORKFLOW,
    OnboardingRequest,
)

ONBOARDINGS: Final = Capability(
    name=KIND,
    plural="onboardings",
    id_prefix=ID_PREFIX,
    workflow=WORKFLOW,
    help="Onboardings: somebody becomes a customer, once their identity is confirmed.",
    request=OnboardingRequest,
    wire="perdure.onboarding.wiring:wire",
    work="perdure.onboarding.registration:work",
    calls=(
        "perdure.providers.identity:IDENTITY_ROLE",
        "perdure.providers.aggregator:AGGREGATOR_ROLE",
    ),
    amount_field=None,
    shows=(
        Shown(
            "identity_status",
            str | None,
            in_result("identity", "status"),
            "How the check of the identity stands: `created`, `awaiting_input`, `processing`,"
            " `in_review`, `approved`, `declined`, `resubmission_requested`, `expired`, `error`.",
            in_list=True,
        ),
        Shown(
            "identity_wanted",
            list[str] | None,
            in_result("identity", "wanted"),
            "What the customer is to show.",
        ),
        Shown(
            "identity_url",
            str | None,
            in_result("identity", "url"),
            "Where the customer shows it, as long as that is waited for.",
        ),
        Shown(
            "account_ids",
            list[str] | None,
            in_result("account_ids"),
            "The customer's accounts, in the order of the currencies, once it has succeeded.",
        ),
        Shown(
            "bank_link_token",
            str | None,
            in_result("bank_link", "token"),
            "With it the customer links an account at another bank.",
        ),
        Shown(
            "bank_link_expires_at",
            datetime | None,
            in_result("bank_link", "expires_at"),
            "From then on another one is needed.",
        ),
        Shown(
            "bank_link_left_out",
            str | None,
            in_result("bank_link", "left_out"),
            "Why there is no token: a code.",
        ),
    ),
    codes={
        ALREADY_ONBOARDED: Code(409, "The customer is one already, or is about to be."),
        "profile_exists": Code(409, "There is a profile of the customer with other values."),
    },
    traces="perdure.onboarding.traces:OnboardingTraces",
    invariants="perdure.onboarding.verify:INVARIANTS",
    chaos="perdure.onboarding.chaos:LOAD",
    routes=("perdure.identity.routes:callbacks",),
    before_serving="perdure.identity.routes:check_verifier",
    demo="perdure.fintech.demo:fintech",
)
