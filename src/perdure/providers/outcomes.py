"""What a provider's answer, or its silence, is to whoever called: in the same words, however it is
spoken to.
"""

import math
import re
from typing import Final

from perdure.core.errors import (
    CALL_UNDER_WAY,
    CREDENTIALS_REFUSED,
    HAS_IT_ALREADY,
    InvalidInput,
    ProviderDeclined,
    ProviderOutcomeUnknown,
    ProviderRateLimited,
    ProviderUnavailable,
)

REJECTED: Final = "provider_rejected_request"
"""The code where a provider finds a request wrong: the same request would be answered the same."""

RETRY_AFTER_S_DEFAULT: Final = 1.0
_RETRY_AFTER_S_MAX: Final = 366 * 86_400.0
"""Whoever says more than a year has to be asked by a person."""

_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")
"""What PostgreSQL keeps in no text: NUL, and halves of surrogate pairs."""
_REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"
TEXT_LENGTH_MAX: Final = 1000
"""Of one text in an answer; more of it is of no use to anybody."""


def storable_text(text: str) -> str:
    """Return a text with what PostgreSQL cannot hold replaced, and of a sensible length."""
    text = _UNSTORABLE.sub(_REPLACEMENT, text)
    return text if len(text) <= TEXT_LENGTH_MAX else f"{text[: TEXT_LENGTH_MAX - 1]}…"


def whole_wait_s(wait_s: float) -> float:
    """Return how long a provider asked to be left alone, in whole seconds that can be waited."""
    return float(math.ceil(min(max(wait_s, 0.0), _RETRY_AFTER_S_MAX)))


class Outcomes:
    """Makes the errors of one provider.

    Args:
        provider: Its name, for messages.
    """

    def __init__(self, provider: str) -> None:
        self._provider = provider

    def unavailable(self, why: str, asked_wait_s: float | None = None) -> ProviderUnavailable:
        """Return that nothing reached it, or that a question was not answered."""
        return ProviderUnavailable(
            f"{self._provider} cannot be reached ({why}); try again later.",
            asked_wait_s=asked_wait_s,
        )

    def no_answer(self, answered: object, asked_wait_s: float | None) -> ProviderUnavailable:
        """Return that a question was answered with something that is no answer to it."""
        return ProviderUnavailable(
            f"{self._provider} answered {answered}, which is no answer to what was"
            " asked; where it lasts, check the provider's URL.",
            asked_wait_s=asked_wait_s,
        )

    def makes_no_sense(self, why: str) -> ProviderUnavailable:
        """Return that a question's answer cannot be read."""
        return ProviderUnavailable(f"{self._provider} gave an answer that makes no sense: {why}.")

    def acted_senselessly(self, why: str) -> ProviderOutcomeUnknown:
        """Return that it acted, and its answer cannot be read."""
        return ProviderOutcomeUnknown(
            f"{self._provider} acted, but its answer makes no sense: {why}.", in_flight=False
        )

    def not_answered(self, why: str, asked_wait_s: float | None = None) -> ProviderOutcomeUnknown:
        """Return that it may have got the call, and may have acted."""
        return ProviderOutcomeUnknown(
            f"{self._provider} did not answer ({why}); ask it before trying again.",
            asked_wait_s=asked_wait_s,
        )

    def says_nothing(
        self, answered: object, *, in_flight: bool, asked_wait_s: float | None
    ) -> ProviderOutcomeUnknown:
        """Return that it broke off, and may have acted."""
        return ProviderOutcomeUnknown(
            f"{self._provider} answered {answered}, which says nothing about what it did; ask it"
            " before trying again.",
            in_flight=in_flight,
            asked_wait_s=asked_wait_s,
        )

    def under_way(
        self, answered: object, code: str, *, retry_after_s: float | None
    ) -> ProviderOutcomeUnknown:
        """Return that a call like this one may be at work there."""
        return ProviderOutcomeUnknown(
            f"{self._provider} answered {answered} ({code or 'no reason given'}): a call"
            " like this may be under way there.",
            code=CALL_UNDER_WAY,
            retry_after_s=retry_after_s,
        )

    def has_it_already(self, message: str) -> ProviderOutcomeUnknown:
        """Return that it has something under our reference."""
        return ProviderOutcomeUnknown(
            f"{self._provider} has something under this reference already"
            f" ({message or 'no reason given'}); ask it what.",
            code=HAS_IT_ALREADY,
            in_flight=False,
        )

    def declined(self, code: str, message: str) -> ProviderDeclined:
        """Return that it said no, for good."""
        return ProviderDeclined(
            message or f"{self._provider} declined.", code=code or ProviderDeclined.code
        )

    def rejected(self, answered: object, code: str, message: str) -> InvalidInput:
        """Return that it finds the request wrong."""
        said = ": ".join(part for part in (code, message) if part) or "no reason given"
        return InvalidInput(
            f"{self._provider} rejected the request with {answered} ({said});"
            " sent again it would be answered the same.",
            code=REJECTED,
        )

    def credentials_refused(
        self, answered: object, code: str, asked_wait_s: float | None
    ) -> ProviderUnavailable:
        """Return that it does not know us. Its code alone: a message may repeat what we sent."""
        said = " ".join(part for part in (str(answered), code) if part)
        return ProviderUnavailable(
            f"{self._provider} does not take our credentials ({said}); check its settings.",
            code=CREDENTIALS_REFUSED,
            asked_wait_s=asked_wait_s,
        )

    def rate_limited(self, wait_s: float | None) -> ProviderRateLimited:
        """Return that it asked for time, and did nothing."""
        return ProviderRateLimited(
            f"{self._provider} asked to slow down.",
            retry_after_s=RETRY_AFTER_S_DEFAULT if wait_s is None else wait_s,
        )
