"""What a customer is told of their onboarding."""

from perdure.notifications.contracts import Message, Party
from perdure.notifications.rules import failure_told, messages_to
from perdure.onboarding.contracts import CloseOnboarding, OnboardingRequest
from perdure.profiles.model import Profile


def _person(request: OnboardingRequest) -> Party:
    return Party(request.full_name, request.email, request.phone)


def welcome(request: OnboardingRequest) -> list[Message]:
    """Return what a customer is told who is one now."""
    opened = " and ".join(request.currencies)
    return messages_to(
        "customer",
        _person(request),
        "Welcome",
        f"Your identity is confirmed, and your account in {opened} is open.",
        reference=request.reference,
    )


def failure_messages(given: CloseOnboarding) -> list[Message]:
    """Return what somebody is told who did not become a customer."""
    request = given.onboarding.request
    subject, body = failure_told(
        "Your registration",
        given.failure,
        "No account was opened.",
        words=("could not be completed", "was cancelled"),
    )
    return messages_to("customer", _person(request), subject, body, reference=request.reference)


def follow_up(person: Profile) -> list[Message]:
    """Return what a customer is told some time later."""
    return messages_to(
        "customer_follow_up",
        Party(person.full_name, person.email),
        "How are you getting on?",
        "Your account has been open for a while. Write to us if anything is not as you expected.",
        reference=None,
    )
