"""A provider's own books, as its class tells them to `perdure verify`; and lists in pages."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime
from itertools import count
from typing import Any, Final, Protocol, TypeVar

from perdure.core.errors import ProviderRateLimited

Entry_co = TypeVar("Entry_co", covariant=True)

WHOLE_LIST_TRIES: Final = 5
"""How often a page of a whole list is asked for, where there is too much asked of the provider."""
_WAIT_S_MAX: Final = 30.0


class TellsBooks(Protocol[Entry_co]):
    """What a class may be able to do beside its protocol.

    One that serves a gateway tells `Charge`s, a bank `Payout`s, a registry `RegistryRenewal`s; for
    other roles it is what their kind's `Books` records.
    """

    def books(self, since: datetime | None) -> AsyncIterator[Entry_co]:
        """Yield all that was ever asked of it under a reference of ours, as it stands there now.

        What others asked of it is left out.

        Args:
            since: What was asked for before may be left out; None: it is not.

        Raises:
            ProviderUnavailable, ProviderRateLimited, InvalidInput: It cannot be told.
        """
        ...


class _Listed(Protocol):
    @property
    def id(self) -> str: ...


class Page(Protocol):
    """A part of a list."""

    @property
    def data(self) -> Sequence[_Listed]:
        """What is in it."""
        ...

    @property
    def has_more(self) -> bool:
        """Whether the list goes on."""
        ...


APage = TypeVar("APage", bound=Page)


async def pages(
    ask: Callable[[dict[str, Any]], Awaitable[APage]],
    *,
    limit: int,
    pages_max: int | None = None,
    tries: int = 1,
) -> AsyncIterator[APage]:
    """Yield a list page by page, each asked for by the last id of the one before.

    Args:
        ask: Asks for a page, given these parameters.
        limit: The entries of a page.
        pages_max: As many are asked for at most; None: all.
        tries: How often one is asked for, where the provider asks to slow down.
    """
    more: dict[str, Any] = {"limit": limit}
    for number in count(1):
        page = await _asked(ask, more, tries)
        yield page
        if not page.has_more or not page.data or number == pages_max:
            return
        more = {"limit": limit, "starting_after": page.data[-1].id}


async def _asked(
    ask: Callable[[dict[str, Any]], Awaitable[APage]], more: dict[str, Any], tries: int
) -> APage:
    for _ in range(tries - 1):
        try:
            return await ask(more)
        except ProviderRateLimited as busy:
            await asyncio.sleep(min(busy.retry_after_s or 0.0, _WAIT_S_MAX))
    return await ask(more)
