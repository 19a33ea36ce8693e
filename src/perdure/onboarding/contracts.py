"""What an onboarding is given, what it answers, and the names by which it is run.

Old histories decode into these: a field is only ever added, with a default.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Final

from perdure.capability.contracts import Failure
from perdure.core.notes import Note
from perdure.identity.contracts import CheckOptions

KIND: Final = "onboarding"
ID_PREFIX: Final = "onb"
WORKFLOW: Final = "Onboarding"
FOLLOW_UP_WORKFLOW: Final = "OnboardingFollowUp"

CREATE_PROFILE: Final = "onboarding.create_profile"
OPEN_ACCOUNTS: Final = "onboarding.open_accounts"
COMPLETE: Final = "onboarding.complete"
CLOSE: Final = "onboarding.close"
LINK_BANK: Final = "onboarding.link_bank"
LEAVE_OUT_LINK: Final = "onboarding.leave_out_link"
FOLLOW_UP: Final = "onboarding.follow_up"

AGGREGATOR: Final = "aggregator"
"""Who makes the tokens to link a bank with, as in its queue's name."""

ALREADY_ONBOARDED: Final = "already_onboarded"


def follow_up_workflow_id(operation_id: str) -> str:
    """Return the id of the workflow that follows an onboarding up."""
    return f"{operation_id}-follow-up"


@dataclass(frozen=True, slots=True)
class OnboardingRequest:
    """What the caller asks for."""

    customer_id: Annotated[str, Note(option="customer", help="Your id of the customer.")]
    full_name: Annotated[
        str, Note("As in their passport.", examples=["Ada Lovelace"], personal=True)
    ]
    email: Annotated[str, Note("Where they are told.", examples=["ada@example.com"], personal=True)]
    birth_date: Annotated[str, Note("Their date of birth.", examples=["1990-12-10"], personal=True)]
    country: Annotated[str, Note("Where they live, as ISO 3166-1 has it.", examples=["FR"])]
    phone: Annotated[
        str | None, Note("In E.164 form.", examples=["+33123456789"], personal=True)
    ] = None
    currencies: Annotated[
        tuple[str, ...],
        Note("In which accounts are opened, one each.", option="currency", in_summary=True),
    ] = ("USD",)
    link_bank: Annotated[
        bool, Note("Have a token made with which the customer links an account at another bank.")
    ] = True
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class OnboardingOptions:
    """What was in force when the onboarding was accepted.

    Args:
        follow_up_s: After how long the customer is followed up, in seconds; 0: never.
    """

    check: CheckOptions = field(default_factory=CheckOptions)
    follow_up_s: float = 86_400.0


@dataclass(frozen=True, slots=True)
class OnboardingInput:
    """The workflow's input."""

    operation_id: str
    request: OnboardingRequest
    options: OnboardingOptions = field(default_factory=OnboardingOptions)


@dataclass(frozen=True, slots=True)
class Created:
    """What the step did that creates the profile.

    Args:
        reopened: The customer had one that was closed.
    """

    customer_id: str
    reopened: bool = False


@dataclass(frozen=True, slots=True)
class Opened:
    """What the step did that opens the accounts: their ids, in the order of their currencies."""

    account_ids: list[str]


@dataclass(frozen=True, slots=True)
class CompleteOnboarding:
    """The input of the step with which it has succeeded.

    Args:
        approved_until: When the approval of the customer's identity ends; None: it does not.
    """

    onboarding: OnboardingInput
    opened: Opened
    approved_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class CloseOnboarding:
    """The input of the step that undoes and ends it."""

    onboarding: OnboardingInput
    failure: Failure


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Why a customer has no token to link a bank with."""

    operation_id: str
    why: str
