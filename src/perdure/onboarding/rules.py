"""An onboarding's decisions, without effects."""

from dataclasses import replace

from perdure.core.errors import Conflict, InvalidInput
from perdure.core.money import check_currency
from perdure.core.text import check_identifier
from perdure.core.times import read_date
from perdure.identity.contracts import IdentityCheck
from perdure.onboarding.contracts import ALREADY_ONBOARDED, OnboardingInput, OnboardingRequest
from perdure.profiles.model import Profile, check_profile


def profile_of(request: OnboardingRequest) -> Profile:
    """Return the profile that an onboarding creates.

    Raises:
        InvalidInput: The date of birth is none.
    """
    return Profile(
        customer_id=request.customer_id,
        full_name=request.full_name,
        email=request.email,
        phone=request.phone,
        birth_date=read_date("birth_date", request.birth_date),
        country=request.country,
    )


def check_request(request: OnboardingRequest) -> OnboardingRequest:
    """Return a request as it is kept; refuse one that can never become an onboarding.

    Raises:
        InvalidInput: A field is missing or malformed.
    """
    profile = check_profile(profile_of(request))
    assert profile.email is not None
    reference = request.reference
    return replace(
        request,
        customer_id=profile.customer_id,
        email=profile.email,
        currencies=_check_currencies(request.currencies),
        reference=check_identifier("reference", reference) if reference is not None else None,
    )


def _check_currencies(currencies: tuple[str, ...]) -> tuple[str, ...]:
    if not currencies:
        raise InvalidInput("Name a currency.", code="missing_field", param="currencies")
    if len(set(currencies)) < len(currencies):
        raise InvalidInput("Name each currency once.", param="currencies")
    return tuple(check_currency(currency, param="currencies") for currency in currencies)


def check_of(onboarding: OnboardingInput) -> IdentityCheck:
    """Return what the identity service is asked."""
    return IdentityCheck(
        onboarding.operation_id, onboarding.request.customer_id, onboarding.options.check
    )


def already_onboarded(customer_id: str) -> Conflict:
    """Return the refusal of a customer who is one already, or is about to be."""
    return Conflict(
        f"Customer {customer_id} is onboarded, or is being; see that onboarding.",
        code=ALREADY_ONBOARDED,
        param="customer_id",
    )
