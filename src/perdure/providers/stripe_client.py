"""Stripe's library on our HTTP client, and what its errors mean: yes, no, or unknown.

| what happened                                     | a call that acts         | one that reads |
|---------------------------------------------------|--------------------------|----------------|
| no connection                                     | `ProviderUnavailable`    | the same       |
| sent, and no answer, or one that makes no sense   | `ProviderOutcomeUnknown` | unavailable    |
| 5xx                                               | `ProviderOutcomeUnknown` | unavailable    |
| 409; `idempotency_error`                          | `ProviderOutcomeUnknown` | unavailable    |
| 429                                               | `ProviderRateLimited`    | the same       |
| `authentication_error`, 403                       | `ProviderUnavailable`    | the same       |
| `card_error`, or a code that says no for good     | `ProviderDeclined`       | `InvalidInput` |
| any other `invalid_request_error`                 | `InvalidInput`           | `InvalidInput` |

An `idempotency_error` says that something else was asked under our key, and nothing of what became
of it. The library repeats nothing by itself: when to try again is decided by us.
"""

import logging
from collections.abc import Awaitable, Mapping
from typing import Any, Final, NoReturn, TypeVar

import aiohttp
import stripe
from pydantic import TypeAdapter, ValidationError

from perdure.core.errors import (
    CALL_UNDER_WAY,
    CREDENTIALS_REFUSED,
    InvalidInput,
    ProviderDeclined,
    ProviderOutcomeUnknown,
    ProviderRateLimited,
    ProviderUnavailable,
)
from perdure.core.turns import take_turn
from perdure.providers.http import (
    ENDED_THERE,
    KNOWS_US_NOT,
    MAY_BE_UNDER_WAY,
    NOT_ANSWERED,
    NOT_SENT,
    retry_after_s,
    storable,
)
from perdure.providers.outcomes import REJECTED, RETRY_AFTER_S_DEFAULT

Answer = TypeVar("Answer")

REFUSALS: Final = frozenset(
    {
        "charge_already_refunded",
        "charge_disputed",
        "charge_not_refundable",
        "refund_disputed_payment",
    }
)
"""The codes by which Stripe says no for good, beside those of cards."""

logging.getLogger("stripe").setLevel(logging.WARNING)  # it tells of every request


class OurHttp(stripe.HTTPClient):
    """What Stripe's library sends its requests with.

    Args:
        session: With our time-outs; see `ProviderHost.http`.
    """

    name = "perdure"

    def __init__(self, session: aiohttp.ClientSession) -> None:
        super().__init__()
        self._session = session

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        """Send a request, once; what its answer says by its status alone is raised from here.

        Raises:
            ProviderUnavailable, ProviderRateLimited, ProviderOutcomeUnknown: As the table has it.
        """
        acts = method.upper() != "GET"
        await take_turn(for_a_request=True)
        try:
            async with self._session.request(
                method, url, headers=headers, data=post_data, allow_redirects=False
            ) as response:
                content = storable(await response.read())
        except NOT_SENT as error:
            raise _unavailable(error) from error
        except NOT_ANSWERED as error:
            if not acts:
                raise _unavailable(error) from error
            raise ProviderOutcomeUnknown(
                f"Stripe did not answer ({type(error).__name__}); ask it before trying again."
            ) from error
        _check_status(response.status, response.headers, acts=acts)
        return content, response.status, response.headers


def client_of(
    session: aiohttp.ClientSession, *, api_key: str, api_base: str, account: str | None
) -> stripe.StripeClient:
    """Return Stripe's client, on our HTTP client and without repeats of its own."""
    return stripe.StripeClient(
        api_key,
        stripe_account=account,
        base_addresses={"api": api_base.rstrip("/")},
        max_network_retries=0,
        http_client=OurHttp(session),
    )


async def act(call: Awaitable[stripe.StripeObject], returns: TypeAdapter[Answer]) -> Answer:
    """Have Stripe do something.

    Raises:
        ProviderDeclined, InvalidInput: A no.
        ProviderUnavailable, ProviderRateLimited: It did nothing.
        ProviderOutcomeUnknown: It may have.
    """
    try:
        return _parsed(await call, returns)
    except ValidationError as error:
        raise ProviderOutcomeUnknown(
            f"Stripe acted, but its answer makes no sense: {error.errors()[0]['msg']}.",
            in_flight=False,
        ) from error
    except stripe.StripeError as error:
        _raise_meaning_of(error)


async def read(call: Awaitable[stripe.StripeObject], returns: TypeAdapter[Answer]) -> Answer:
    """Ask Stripe something.

    Raises:
        ProviderUnavailable, ProviderRateLimited: Ask again later.
        InvalidInput: `provider_rejected_request`: the question is wrong.
    """
    try:
        return _parsed(await call, returns)
    except ValidationError as error:
        raise ProviderUnavailable("Stripe gave an answer that makes no sense.") from error
    except stripe.StripeError as error:
        if error.http_status == 400:
            raise _rejected(error) from error
        raise ProviderUnavailable(
            f"Stripe answered {error.http_status}, which is no answer to what was asked."
        ) from error


def _parsed(said: stripe.StripeObject, returns: TypeAdapter[Answer]) -> Answer:
    response = said.last_response
    assert response is not None
    return returns.validate_python(response.data)


def _check_status(status: int, headers: Mapping[str, str], *, acts: bool) -> None:
    wait_s = retry_after_s(headers)
    if status == 429:
        wait_s = RETRY_AFTER_S_DEFAULT if wait_s is None else wait_s
        raise ProviderRateLimited("Stripe asked to slow down.", retry_after_s=wait_s)
    if status in KNOWS_US_NOT:
        raise ProviderUnavailable(
            f"Stripe does not take our credentials ({status}); check PERDURE_STRIPE_API_KEY.",
            code=CREDENTIALS_REFUSED,
            asked_wait_s=wait_s,
        )
    is_broken_off = status < 200 or status >= 500 or status == 408
    if not acts and (is_broken_off or status in MAY_BE_UNDER_WAY):
        raise ProviderUnavailable(f"Stripe answered {status}.", asked_wait_s=wait_s)
    if status in MAY_BE_UNDER_WAY:
        raise ProviderOutcomeUnknown(
            f"Stripe answered {status}: a call like this may be under way there.",
            code=CALL_UNDER_WAY,
            retry_after_s=wait_s,
        )
    if is_broken_off:
        raise ProviderOutcomeUnknown(
            f"Stripe answered {status}, which says nothing about what it did; ask it before trying"
            " again.",
            in_flight=status not in ENDED_THERE,
            asked_wait_s=wait_s,
        )


def _raise_meaning_of(error: stripe.StripeError) -> NoReturn:
    """Raise what an error says about a call that acted."""
    if isinstance(error, stripe.RateLimitError):  # once coded as a 400
        raise ProviderRateLimited("Stripe asked to slow down.") from error
    if isinstance(error, stripe.IdempotencyError):
        raise ProviderOutcomeUnknown(
            "Something else was asked of Stripe under this reference; ask it what became of that.",
            code=CALL_UNDER_WAY,
        ) from error
    status = error.http_status
    if status is None or 200 <= status < 300:
        raise ProviderOutcomeUnknown(
            "Stripe acted, but its answer makes no sense.", in_flight=False
        ) from error
    if status == 402 or error.code in REFUSALS:
        raise ProviderDeclined(
            error.user_message or "Stripe declined.",
            code=_decline_code(error) or ProviderDeclined.code,
        ) from error
    raise _rejected(error) from error


def _decline_code(error: stripe.StripeError) -> str | None:
    """Return the bank's own word for its no, which says more than Stripe's."""
    said = error.error.decline_code if error.error else None
    return str(said) if said else error.code


def _rejected(error: stripe.StripeError) -> InvalidInput:
    said = ": ".join(part for part in (error.code, error.user_message) if part)
    return InvalidInput(
        f"Stripe rejected the request with {error.http_status} ({said or 'no reason given'}); sent"
        " again it would be answered the same.",
        code=REJECTED,
    )


def _unavailable(error: Exception) -> ProviderUnavailable:
    return ProviderUnavailable(
        f"Stripe cannot be reached ({type(error).__name__}); try again later."
    )
