"""In whose name a request is answered: the customer's whose key it came with, or the house's."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from perdure.core.errors import Forbidden

_current: ContextVar[str | None] = ContextVar("customer_id", default=None)


def current_customer() -> str | None:
    """Return the customer that asks; None: the house does, or nobody."""
    return _current.get()


def claim(customer_id: str | None) -> None:
    """Have the rest of what is answered be this customer's; None: the house's."""
    _current.set(customer_id)


@contextmanager
def claiming(customer_id: str | None) -> Iterator[None]:
    """Have what is done inside be in this customer's name; None: in the house's."""
    token = _current.set(customer_id)
    try:
        yield
    finally:
        _current.reset(token)


def other_customer() -> Forbidden:
    """Return the refusal of what is another customer's than the one that asks."""
    return Forbidden(
        f"This API key is customer {current_customer()}'s; it cannot act for another.",
        code="other_customer",
        param="customer_id",
    )
