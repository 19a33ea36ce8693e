"""An onboarding's steps, and its script."""

from typing import Final

from perdure.capability.contracts import End, failure_of
from perdure.core.errors import PerdureError
from perdure.core.script import OwnStep, Runner, Step
from perdure.identity.process import check_identity
from perdure.onboarding import contracts, rules
from perdure.onboarding.contracts import (
    CloseOnboarding,
    CompleteOnboarding,
    Created,
    OnboardingInput,
    Opened,
)

CREATE_PROFILE: Final = Step(contracts.CREATE_PROFILE, OnboardingInput, Created)
"""Keep who the customer is: from here on nobody else onboards them."""

OPEN_ACCOUNTS: Final = Step(contracts.OPEN_ACCOUNTS, OnboardingInput, Opened)
"""Open an account in each currency."""

COMPLETE: Final = Step(contracts.COMPLETE, CompleteOnboarding, End)
"""Owe the welcome, and the follow-up: from here on it has succeeded."""

CLOSE: Final = Step(contracts.CLOSE, CloseOnboarding, End, undoes=True)
"""Close the accounts and the profile: it has failed, or is cancelled."""


LINK_BANK: Final = OwnStep(contracts.LINK_BANK, OnboardingInput, bool)
"""Have a token made to link a bank with, or say why there is none: this never fails."""


async def run_onboarding(onboarding: OnboardingInput, steps: Runner) -> End:
    """Carry an onboarding to its end: the customer checked, with accounts, or nothing of it."""
    try:
        await steps.run(CREATE_PROFILE, onboarding)
        approved = await check_identity(rules.check_of(onboarding), steps)
        opened = await steps.run(OPEN_ACCOUNTS, onboarding)
        complete = CompleteOnboarding(onboarding, opened, approved.approved_until)
        end = await steps.run(COMPLETE, complete)
    except PerdureError as error:
        end = await steps.run(CLOSE, CloseOnboarding(onboarding, failure_of(error)))
    await steps.tell(end.notification_ids)
    if end.failure is None and onboarding.request.link_bank:
        await steps.run(LINK_BANK, onboarding)
    return end
