"""Server-sent events: the one way in for every stream, which takes its share of its key's."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, contextmanager
from typing import Annotated, Any, Final

from fastapi import Depends, Header, Request
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.responses import Response, StreamingResponse

from perdure.api.keys import ApiKey
from perdure.api.openapi import refuses
from perdure.core.errors import InvalidInput, ProviderRateLimited

DURATION_MAX_S: Final = 900.0
"""A listener comes back after this, from where it was, and shows its key again."""
_EVENT_ID_MAX: Final = 2**63 - 1
"""Events have the numbers of rows."""
_DIGITS_MAX: Final = len(str(_EVENT_ID_MAX))
"""Of a longer one it costs something to read it."""

Events = AsyncGenerator[ServerSentEvent, None]


class OpenStreams:
    """The streams that this process has open.

    Args:
        streams_max: More than this are told to come again later.
        per_key_max: So are more than this of one API key.
    """

    def __init__(self, *, streams_max: int, per_key_max: int) -> None:
        self._streams_max = streams_max
        self._per_key_max = per_key_max
        self._of_keys: Counter[str] = Counter()

    @property
    def count(self) -> int:
        """How many there are now."""
        return self._of_keys.total()

    def check_free(self, key_id: str) -> None:
        """Refuse one stream too many, before its answer has begun.

        Raises:
            ProviderRateLimited: `too_many_streams`.
        """
        if not self._is_free(key_id):
            raise ProviderRateLimited(
                "Too many event streams are open; ask again soon, or read what it is about"
                " instead.",
                code="too_many_streams",
                retry_after_s=5,
            )

    def _is_free(self, key_id: str) -> bool:
        return self.count < self._streams_max and self._of_keys[key_id] < self._per_key_max

    async def passed_on(self, key_id: str, events: Events) -> AsyncIterator[ServerSentEvent]:
        """Yield events as they come, for at most `DURATION_MAX_S`.

        It ends at once, where many began at the same moment and this is one too many of them.
        """
        if not self._is_free(key_id):
            return
        deadline = asyncio.get_running_loop().time() + DURATION_MAX_S
        with self.taken(key_id):
            async with aclosing(events):
                while True:
                    try:
                        async with asyncio.timeout_at(deadline):
                            event = await anext(events)
                    except (TimeoutError, StopAsyncIteration):
                        return
                    yield event

    @contextmanager
    def taken(self, key_id: str) -> Iterator[None]:
        """Have a stream of a key counted meanwhile."""
        self._of_keys[key_id] += 1
        try:
            yield
        finally:
            self._of_keys -= Counter((key_id,))  # forgets a key that has none


def send_events(request: Request, caller: ApiKey, events: Events) -> Response:
    """Return the answer that sends events as they come.

    Raises:
        ProviderRateLimited: `too_many_streams`.
    """
    streams: OpenStreams = request.app.state.open_streams
    streams.check_free(caller.id)
    return EventSourceResponse(streams.passed_on(caller.id, events))


def send_file(
    request: Request, caller: ApiKey, parts: AsyncIterator[str], *, name: str, media_type: str
) -> Response:
    """Return the answer that sends a file as it is written, however long it is.

    Raises:
        ProviderRateLimited: `too_many_streams`.
    """
    streams: OpenStreams = request.app.state.open_streams
    streams.check_free(caller.id)

    async def passed_on() -> AsyncIterator[str]:
        with streams.taken(caller.id):
            async for part in parts:
                yield part

    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(passed_on(), headers=headers, media_type=media_type)


def nothing_more() -> Response:
    """Return the answer that tells an EventSource not to come back."""
    return Response(status_code=204)


def event(data: str, name: str | None, number: int) -> ServerSentEvent:
    """Return an event that a stream can be resumed after."""
    return ServerSentEvent(data, event=name, id=str(number))


def sends_events(told: str, *codes: str, ends: str | None = None) -> dict[str, Any]:
    """Return what a stream's route says of itself.

    Args:
        told: What its events are.
        codes: Of the errors that are its own.
        ends: When it is answered with `nothing_more`; None: never.
    """
    described: dict[str, Any] = {
        "response_class": EventSourceResponse,
        "response_description": told,
        "openapi_extra": refuses(*codes, "invalid_event_id", "too_many_streams"),
    }
    return described | ({"responses": {204: {"description": ends}}} if ends else {})


def _last_event(
    last_event_id: Annotated[
        str | None, Header(description="The last event that came: answers those after it.")
    ] = None,
) -> int:
    """Return the number that was sent with the last event.

    Raises:
        InvalidInput: `invalid_event_id`.
    """
    given = last_event_id or "0"
    if given.isascii() and given.isdecimal() and len(given) <= _DIGITS_MAX:
        number = int(given)
        if number <= _EVENT_ID_MAX:
            return number
    raise InvalidInput(
        "Give the id of an event that this stream sent.",
        code="invalid_event_id",
        param="Last-Event-ID",
    )


LastEvent = Annotated[int, Depends(_last_event)]
"""After which event a stream goes on, from the request's `Last-Event-ID`; 0: from the beginning."""
