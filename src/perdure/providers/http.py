"""What an HTTP exchange with a provider means: yes, no, or unknown.

| what happened                          | a call that acts         | a call that reads     |
|----------------------------------------|--------------------------|-----------------------|
| no connection (refused, DNS, TLS)      | `ProviderUnavailable`    | `ProviderUnavailable` |
| sent, then a time-out, a cut, nonsense | `ProviderOutcomeUnknown` | `ProviderUnavailable` |
| 5xx, 408                               | `ProviderOutcomeUnknown` | `ProviderUnavailable` |
| 429                                    | `ProviderRateLimited`    | `ProviderRateLimited` |
| 402; 4xx with a documented code        | `ProviderDeclined`       | as without the code   |
| 409, 423, 425                          | `ProviderOutcomeUnknown` | 409: `InvalidInput`   |
| 400, 422                               | `InvalidInput`           | `InvalidInput`        |
| 401, 403, 407                          | `ProviderUnavailable`    | `ProviderUnavailable` |
| any other 3xx, 4xx                     | `InvalidInput`           | `ProviderUnavailable` |

A conflict (409), a lock (423) and "too early" (425) come where a call under the same key is at
work: our own, which we gave up waiting for, or its copy that something in between sent again. They
say nothing about what became of it.

Who does not know us (401, 403, a proxy's 407) did nothing, and says nothing of what was asked: it
is as if it were away, with the code `provider_refuses_credentials`, until the credentials are
right.

A 404 to an inquiry is no answer: a wrong URL gives it too, and taking it for "never seen" would
charge twice. A provider says "never seen" with an empty list.

`Retry-After` is read from any answer that is none of these: it holds for all who call the provider.
"""

import json
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Any, Final, Generic, TypeVar

import aiohttp
from aiohttp.http import HttpProcessingError
from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json, to_json

from perdure.core.errors import ProviderUnavailable
from perdure.core.identity import Identity
from perdure.core.turns import take_turn
from perdure.providers.books import WHOLE_LIST_TRIES, pages
from perdure.providers.outcomes import TEXT_LENGTH_MAX, Outcomes, storable_text, whole_wait_s

Answer = TypeVar("Answer")
Entry = TypeVar("Entry")

_PAGE: Final = 1000

NOT_SENT: Final = (
    aiohttp.ClientConnectorError,  # refused, unreachable, DNS, TLS
    aiohttp.ConnectionTimeoutError,  # while connecting, or while all connections were taken
    aiohttp.ClientHttpProxyError,
    aiohttp.InvalidURL,
)
NOT_ANSWERED: Final = (
    aiohttp.ClientError,
    HttpProcessingError,  # an answer that is not HTTP, without aiohttp's C extension
    OSError,  # time-outs too
)
ENDED_THERE: Final = frozenset({500, 501, 503})
"""The provider itself broke the request off; any other 5xx comes from something in between."""
KNOWS_US_NOT: Final = frozenset({401, 403, 407})
MAY_BE_UNDER_WAY: Final = frozenset({409, 423, 425})
_QUESTION_IS_WRONG: Final = frozenset({400, 409, 422})

_IS_A_NUMBER: Final = re.compile(r"[0-9]+(\.[0-9]*)?")

_JSON: Final = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class _Response:
    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300


@dataclass(frozen=True, slots=True)
class _Page(Generic[Entry]):
    data: list[Entry]
    has_more: bool


class ProviderHttp:
    """One provider's JSON API.

    Args:
        client: With the base URL and the time-outs; see `open_http_client`.
        provider: The provider's name, for messages.
        refusals: The codes by which it says no for good, as it documents them. A 402 says so with
            any code.
        simulated_by: What a simulator of it calls itself: no answer of another one counts. None:
            nobody looks.
    """

    def __init__(
        self,
        client: aiohttp.ClientSession,
        provider: str,
        *,
        refusals: frozenset[str] = frozenset(),
        simulated_by: str | None = None,
    ) -> None:
        self._client = client
        self._provider = provider
        self._outcomes = Outcomes(provider)
        self._refusals = refusals
        self._simulated_by = simulated_by

    async def act(
        self,
        path: str,
        body: dict[str, Any],
        returns: TypeAdapter[Answer],
        *,
        idempotency_key: str | None = None,
    ) -> Answer:
        """POST something that has an effect.

        Raises:
            ProviderUnavailable, ProviderRateLimited: It did nothing.
            ProviderDeclined: It answered no; the code is its own.
            InvalidInput: `provider_rejected_request`: it did nothing now, and never would.
            ProviderOutcomeUnknown: It may have acted, or be acting.
        """
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        try:
            response = await self._exchange("POST", path, body=body, headers=headers)
        except NOT_SENT as error:
            raise self._outcomes.unavailable(type(error).__name__) from error
        except NOT_ANSWERED as error:
            raise self._outcomes.not_answered(type(error).__name__) from error
        if response.is_success:
            return self._parse_effect(response, returns)
        self._raise_limited_or_unknown(response)
        code, message = _error_of(response)
        if response.status == 402 or code in self._refusals:
            raise self._outcomes.declined(code, message)
        if response.status in KNOWS_US_NOT:
            raise self._credentials_refused(response)
        if response.status in MAY_BE_UNDER_WAY:
            wait_s = retry_after_s(response.headers)
            raise self._outcomes.under_way(response.status, code, retry_after_s=wait_s)
        raise self._outcomes.rejected(response.status, code, message)

    async def read(
        self,
        path: str,
        returns: TypeAdapter[Answer],
        *,
        params: dict[str, str] | None = None,
        body: dict[str, Any] | None = None,
        refusals: frozenset[str] = frozenset(),
        exact: bool = False,
    ) -> Answer:
        """Ask something that has no effect: a GET, or a POST where there is a body.

        Args:
            refusals: The codes that answer this question with a no.
            exact: Numbers with a point come to `returns` as they are written, as `Decimal`; texts
                as they are too, which `returns` then has to make storable.

        Raises:
            ProviderUnavailable, ProviderRateLimited: Ask again later.
            ProviderDeclined: It answered no; the code is its own.
            InvalidInput: `provider_rejected_request`: the question is wrong.
        """
        method = "GET" if body is None else "POST"
        try:
            response = await self._exchange(method, path, params=params, body=body, exact=exact)
        except NOT_ANSWERED as error:
            raise self._outcomes.unavailable(type(error).__name__) from error
        if response.is_success:
            try:
                if exact:
                    return returns.validate_python(_exactly(response.content))
                return returns.validate_json(response.content)
            except ValidationError as error:
                raise self._outcomes.makes_no_sense(_first(error)) from error
        wait_s = retry_after_s(response.headers)
        if response.status == 429:
            raise self._outcomes.rate_limited(wait_s)
        if refusals and (said := _error_of(response))[0] in refusals:
            raise self._outcomes.declined(*said)
        if response.status in _QUESTION_IS_WRONG:
            raise self._outcomes.rejected(response.status, *_error_of(response))
        if response.status in KNOWS_US_NOT:
            raise self._credentials_refused(response)
        raise self._outcomes.no_answer(response.status, wait_s)

    async def read_all(self, path: str, entry: type[Entry]) -> AsyncIterator[Entry]:
        """Read a whole list, page by page: `?limit=1000&starting_after=<id>`, with `has_more`.

        Raises:
            ProviderUnavailable, ProviderRateLimited, InvalidInput: As `read`.
        """
        page_type: TypeAdapter[Any] = TypeAdapter(_Page[entry])  # type: ignore[valid-type]

        async def ask(more: dict[str, Any]) -> Any:
            params = {name: str(value) for name, value in more.items()}
            return await self.read(path, page_type, params=params)

        async for page in pages(ask, limit=_PAGE, tries=WHOLE_LIST_TRIES):
            for found in page.data:
                yield found

    async def _exchange(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        exact: bool = False,
    ) -> _Response:
        """Send a request; a POST once: aiohttp repeats only GETs, over a connection that died."""
        await take_turn(for_a_request=True)
        async with self._client.request(
            method,
            path.removeprefix("/"),  # under the base URL's own path
            params=params,
            data=None if body is None else to_json(body),
            headers=headers if body is None else {**_JSON, **(headers or {})},
            allow_redirects=False,  # it would repeat a POST elsewhere
        ) as response:
            self._check_who_answers(response.headers)
            content = await response.read()
            content = content if exact else storable(content)
            return _Response(response.status, response.headers, content)

    def _check_who_answers(self, headers: Mapping[str, str]) -> None:
        """Take the answer of another provider's simulator for what it is: ours is not there."""
        who = Identity.of(headers)
        if who and self._simulated_by and who.kind != self._simulated_by:
            raise ProviderUnavailable(
                f"{self._provider} cannot be reached: the simulator {who.kind} answers at its"
                " address. Check the provider's URL."
            )

    def _parse_effect(self, response: _Response, returns: TypeAdapter[Answer]) -> Answer:
        try:
            return returns.validate_json(response.content)
        except ValidationError as error:
            raise self._outcomes.acted_senselessly(_first(error)) from error

    def _raise_limited_or_unknown(self, response: _Response) -> None:
        status, wait_s = response.status, retry_after_s(response.headers)
        if status == 429:
            raise self._outcomes.rate_limited(wait_s)
        if status < 200 or status >= 500 or status == 408:
            raise self._outcomes.says_nothing(
                status, in_flight=status not in ENDED_THERE, asked_wait_s=wait_s
            )

    def _credentials_refused(self, response: _Response) -> ProviderUnavailable:
        code, wait_s = _error_of(response)[0], retry_after_s(response.headers)
        return self._outcomes.credentials_refused(response.status, code, wait_s)


def storable(content: bytes) -> bytes:
    """Return JSON with what PostgreSQL cannot hold replaced, and texts of sensible lengths.

    Such an answer, taken as it is, could never be recorded; refused, it would be asked for again
    for ever.
    """
    if b"\\u" not in content and len(content) <= TEXT_LENGTH_MAX:
        return content
    try:
        return json.dumps(_with_storable_texts(json.loads(content))).encode()
    except (ValueError, RecursionError):
        return content


def _with_storable_texts(value: Any) -> Any:
    if isinstance(value, str):
        return storable_text(value)
    if isinstance(value, list):
        return [_with_storable_texts(each) for each in value]
    if isinstance(value, dict):
        return {name: _with_storable_texts(each) for name, each in value.items()}
    return value


def _first(error: ValidationError) -> str:
    found = error.errors(include_input=False, include_url=False)[0]
    return f"{'.'.join(str(part) for part in found['loc']) or 'the body'}: {found['msg']}"


def _exactly(content: bytes) -> object:
    """Read JSON whose numbers must not go through a float; None, which no answer is, for none."""
    try:
        return json.loads(content, parse_float=Decimal)
    except (ValueError, RecursionError):
        return None


def _error_of(response: _Response) -> tuple[str, str]:
    """Read `{"error": {"code", "message"}}`, as Stripe and most others write it.

    Plaid has `error_code` and `error_message`, in nothing.
    """
    try:
        said = from_json(response.content)
        error = said.get("error", said)
        code = error.get("code") or error.get("error_code")
        message = error.get("message") or error.get("error_message")
        return storable_text(str(code or "")), storable_text(str(message or ""))
    except (ValueError, KeyError, TypeError, AttributeError):
        return "", ""


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Read `Retry-After`: seconds or a date (RFC 9110, section 10.2.3), in whole seconds.

    Fractions are not in the RFC, and are sent all the same. None: it says nothing that makes sense.
    """
    value = headers.get("retry-after", "").strip()
    try:
        wait_s = float(value) if _IS_A_NUMBER.fullmatch(value) else _seconds_until(value)
    except (ValueError, OverflowError):
        return None
    return whole_wait_s(wait_s)


def _seconds_until(http_date: str) -> float:
    moment = parsedate_to_datetime(http_date)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - datetime.now(UTC)).total_seconds()
