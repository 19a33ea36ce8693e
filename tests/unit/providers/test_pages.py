"""A list that a provider tells in pages."""

from dataclasses import dataclass
from typing import Any

import pytest

from perdure.core.errors import ProviderRateLimited
from perdure.providers.books import pages


@dataclass(frozen=True)
class Entry:
    id: str


@dataclass(frozen=True)
class Page:
    data: list[Entry]
    has_more: bool


class Provider:
    """Has ten entries, and asks to slow down as often as it is told to before each page."""

    def __init__(self, *, busy: int = 0) -> None:
        self.asked: list[dict[str, Any]] = []
        self._busy = self._still_busy = busy

    async def ask(self, more: dict[str, Any]) -> Page:
        if self._still_busy:
            self._still_busy -= 1
            raise ProviderRateLimited("Later.", retry_after_s=0)
        self._still_busy = self._busy
        self.asked.append(more)
        first = int(more.get("starting_after", -1)) + 1
        found = [Entry(str(number)) for number in range(10)][first : first + more["limit"]]
        return Page(found, has_more=first + more["limit"] < 10)


async def read(provider: Provider, **options: int) -> list[str]:
    return [
        entry.id async for page in pages(provider.ask, limit=4, **options) for entry in page.data
    ]


async def test_everything_is_read_once() -> None:
    provider = Provider()
    assert await read(provider) == [str(number) for number in range(10)]
    asked = [{"limit": 4}, {"limit": 4, "starting_after": "3"}, {"limit": 4, "starting_after": "7"}]
    assert provider.asked == asked


async def test_no_more_is_read_than_is_to_be() -> None:
    assert await read(Provider(), pages_max=2) == [str(number) for number in range(8)]


async def test_a_provider_that_is_busy_is_asked_again_and_not_for_ever() -> None:
    assert len(await read(Provider(busy=2), tries=3)) == 10
    with pytest.raises(ProviderRateLimited):
        await read(Provider(busy=3), tries=3)
