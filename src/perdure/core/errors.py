"""Every error Perdure raises on purpose.

    PerdureError
    ├── InvalidInput             the request is wrong: a field is missing, malformed or out of range
    ├── NotFound                 no such payment, account, operation
    ├── Conflict                 right but not now: already finished, in flight, reused key
    │   └── IdempotencyMismatch  the same idempotency key came with another request
    ├── Refused                  a business rule says no
    │   ├── InsufficientFunds
    │   ├── LimitExceeded
    │   ├── OperationCancelled   somebody asked for it to stop
    │   └── ProviderDeclined     an outside system answered no
    ├── Unauthenticated          no key, or a key that is not valid
    ├── Forbidden                a key without the scope
    ├── OperationParked          an operator stopped it before this step, until it is released
    ├── TurnPending              not yet: our own limit leaves no room, or another run goes first
    ├── ProviderDisagrees        an outside system answered something else than it was asked
    ├── ConfigurationError       a setting is wrong; the process does not start
    ├── PayloadUnreadable        what Temporal keeps cannot be decrypted here, or any more
    ├── ProviderAway             nobody gets through to an outside system, for longer than is waited
    └── ProviderError            an outside system did not give an answer
        ├── ProviderUnavailable      nothing reached it: trying again is safe
        │   └── ProviderNotCalled        it is known to be away, so it was not called
        ├── ProviderRateLimited      it asked to wait; nothing was done
        └── ProviderOutcomeUnknown   it may have acted: ask before trying again

An error carries a stable `code` (clients branch on it), a message that says what to do, and the
`param` at fault. `durable.failures` maps this tree to Temporal failures, `api.errors` maps it to
HTTP.
"""

from typing import Final


class PerdureError(Exception):
    """Base of all errors raised on purpose.

    Args:
        message: What is wrong and what to do about it, for the person who sent the request.
        code: Stable machine-readable code; defaults to the class's own.
        param: The field at fault, in dotted form (`payee.email`).
    """

    code = "internal_error"

    def __init__(self, message: str, *, code: str | None = None, param: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.param = param

    def __reduce__(self) -> tuple[object, ...]:
        # Exceptions with keyword-only arguments do not survive pickling by themselves.
        return (_rebuild, (type(self), self.message, self.code, self.param))


def _rebuild(
    cls: type[PerdureError], message: str, code: str | None, param: str | None
) -> PerdureError:
    return cls(message, code=code, param=param)


class InvalidInput(PerdureError):
    """The request is wrong: a field is missing, malformed or out of range."""

    code = "invalid_input"


class NotFound(PerdureError):
    """The thing named does not exist, or not for this caller."""

    code = "not_found"


class Conflict(PerdureError):
    """The request is valid, but the state of the thing named does not allow it now."""

    code = "conflict"


class IdempotencyMismatch(Conflict):
    """An idempotency key, reference or id was used before with other content."""

    code = "idempotency_mismatch"


class Refused(PerdureError):
    """A business rule says no; nothing was changed."""

    code = "refused"


class InsufficientFunds(Refused):
    """The account's available balance, holds counted, does not cover the amount."""

    code = "insufficient_funds"


class LimitExceeded(Refused):
    """An amount or a count is over its limit."""

    code = "limit_exceeded"


class OperationCancelled(Refused):
    """Somebody asked for the operation to stop; no further step is begun."""

    code = "cancelled"


class OperationParked(PerdureError):
    """An operator parked the operation; the step waits until it is released."""

    code = "parked_by_operator"


class TurnPending(PerdureError):
    """It is not this one's turn yet: nothing was done, nothing is wrong.

    The provider's limit leaves no room for the call, or a run with what was corrected goes first.

    Args:
        message: What is waited for.
        retry_after_s: When to try again, in seconds; None: whoever asked for it begins it anew.
    """

    code = "turn_pending"

    def __init__(
        self,
        message: str,
        *,
        retry_after_s: float | None = None,
        code: str | None = None,
        param: str | None = None,
    ) -> None:
        super().__init__(message, code=code, param=param)
        self.retry_after_s = retry_after_s


class ProviderDisagrees(PerdureError):
    """An outside system's answer does not agree with what was asked of it.

    Neither a yes nor a no, and asking again would not change it: the operation is parked.
    """

    code = "provider_disagrees"


class ProviderDeclined(Refused):
    """An outside system answered no; it did nothing."""

    code = "provider_declined"


class Unauthenticated(PerdureError):
    """No API key, or one that is not valid."""

    code = "unauthenticated"


class Forbidden(PerdureError):
    """The API key lacks the scope for this."""

    code = "forbidden"


class ConfigurationError(PerdureError):
    """A setting is wrong; the message names it and the fix."""

    code = "configuration_error"


class PayloadUnreadable(PerdureError):
    """What Temporal keeps of an operation cannot be decrypted with the keys that are here.

    An outage: what needs it is tried again until the key is there.
    """

    code = "payload_unreadable"


class ProviderAway(PerdureError):
    """Nobody gets through to an outside system, for longer than the operation waits for it."""

    code = "provider_away"


class ProviderError(PerdureError):
    """An outside system did not give an answer.

    Args:
        message: What is wrong.
        retry_after_s: How long to wait before the next try, in seconds; None leaves it to the
            retry policy.
        asked_wait_s: How long the outside system itself asked to be left alone, by all.
    """

    code = "provider_error"
    is_last = False
    """Set where the tries at a step are used up."""
    nobody_gets_through = False
    """Set where all get no answer, as far as this process knows."""

    def __init__(
        self,
        message: str,
        *,
        retry_after_s: float | None = None,
        asked_wait_s: float | None = None,
        code: str | None = None,
        param: str | None = None,
    ) -> None:
        super().__init__(message, code=code, param=param)
        self.retry_after_s = asked_wait_s if retry_after_s is None else retry_after_s
        self.asked_wait_s = asked_wait_s

    @property
    def is_of_the_provider(self) -> bool:
        """Whether it tells how the outside system is, and not what a runner of ours left behind."""
        return self.code != EARLIER_CALL_UNDER_WAY


class ProviderUnavailable(ProviderError):
    """Nothing reached the outside system: trying again is safe."""

    code = "provider_unavailable"


class ProviderNotCalled(ProviderUnavailable):
    """The outside system is known to be away, or asked to wait, so it was not called."""

    code = "provider_not_called"
    nobody_gets_through = True


class ProviderRateLimited(ProviderError):
    """The outside system asked to wait, and did nothing.

    Args:
        message: What is wrong.
        retry_after_s: How long it asked to wait, in seconds.
    """

    code = "provider_rate_limited"

    def __init__(
        self,
        message: str,
        *,
        retry_after_s: float = 1.0,
        code: str | None = None,
        param: str | None = None,
    ) -> None:
        super().__init__(message, asked_wait_s=retry_after_s, code=code, param=param)


class ProviderOutcomeUnknown(ProviderError):
    """The outside system may have acted: it has to be asked before anything is tried again.

    Args:
        message: What is wrong.
        in_flight: The call may still arrive or be under way (a time-out, a cut connection, a
            proxy's 502 or 504), so "never seen" proves nothing yet. False where the system itself
            answered that it broke off (500, 503).
        retry_after_s, asked_wait_s: As any `ProviderError` has them.
    """

    code = "provider_outcome_unknown"

    def __init__(
        self,
        message: str,
        *,
        in_flight: bool = True,
        retry_after_s: float | None = None,
        asked_wait_s: float | None = None,
        code: str | None = None,
        param: str | None = None,
    ) -> None:
        super().__init__(
            message,
            retry_after_s=retry_after_s,
            asked_wait_s=asked_wait_s,
            code=code,
            param=param,
        )
        self.in_flight = in_flight


CREDENTIALS_REFUSED: Final = "provider_refuses_credentials"
"""The code where an outside system does not know us: it did nothing, and would for nobody of us."""

CALL_UNDER_WAY: Final = "provider_call_under_way"
"""The code of an unknown outcome where the provider says that it is at work on the call, or one
like it."""

EARLIER_CALL_UNDER_WAY: Final = "earlier_call_under_way"
"""The code of an unknown outcome where nobody has told what became of an earlier call, which may
still arrive: who made it is at it, or is dead."""

HAS_IT_ALREADY: Final = "provider_has_it_already"
"""The code of an unknown outcome where the provider says that it has something under our reference:
what, it can be asked."""

ANSWERS: Final = (Refused, InvalidInput, NotFound, Conflict)
"""The errors that are a no, not a breakdown."""
