"""The request that is answered now: its id is kept with what it leads to."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_current: ContextVar[str | None] = ContextVar("request_id", default=None)


def current_request_id() -> str | None:
    """Return the id of the request that is answered; None: nobody asked for what is done."""
    return _current.get()


@contextmanager
def answering(request_id: str | None) -> Iterator[None]:
    """Have what is done inside be known as this request's; None: as nobody's."""
    token = _current.set(request_id)
    try:
        yield
    finally:
        _current.reset(token)
