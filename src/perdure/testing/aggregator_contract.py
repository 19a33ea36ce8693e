"""What a bank aggregator has to do, tested on any class that says it is one."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from perdure.core.errors import ProviderDeclined, ProviderOutcomeUnknown, ProviderUnavailable
from perdure.providers.aggregator import (
    CURSOR_LENGTH_MAX,
    ITEM_GONE,
    TOKEN_REFUSED,
    BankAggregator,
    TransactionsPage,
)
from perdure.testing.provider_contract import Call, ProviderContract, error_of, new_reference
from perdure.testing.wire import CUT_AFTER, Wire

_PAGE: Final = 3


class BankAggregatorContract(ProviderContract[BankAggregator]):
    """An aggregator; see `provider_contract` for how it is inherited."""

    async def public_token(self, url: str) -> str:
        """Have somebody link an item with ten transactions; returns what the dialogue gives.

        Args:
            url: The server's.
        """
        raise NotImplementedError

    def acts(self, provider: BankAggregator) -> Mapping[str, Call]:
        """Return what acts with its first request."""
        return {
            "create_link_token": lambda: provider.create_link_token("cus_1", new_reference()),
            "exchange": lambda: provider.exchange("public-none"),
            "remove_item": lambda: provider.remove_item("access-none"),
        }

    def reads(self, provider: BankAggregator) -> Mapping[str, Call]:
        """Return what has no effect."""
        return {
            "item": lambda: provider.item("access-none"),
            "transactions": lambda: provider.transactions("access-none", cursor="", count=_PAGE),
            "is_there": lambda: provider.is_there(new_reference()),
        }

    async def _linked(self, provider: BankAggregator, server: str) -> tuple[str, str]:
        linked = await provider.exchange(await self.public_token(server))
        return linked.item_id, linked.access_token

    async def _pages(self, provider: BankAggregator, token: str) -> list[TransactionsPage]:
        pages: list[TransactionsPage] = []
        cursor, has_more = "", True
        while has_more:
            page = await provider.transactions(token, cursor=cursor, count=_PAGE)
            pages.append(page)
            cursor, has_more = page.next_cursor, page.has_more
        return pages

    async def test_a_link_token_is_good_for_a_while(self, provider: BankAggregator) -> None:
        """And asked for again, there is one again."""
        for _ in range(2):
            made = await provider.create_link_token("cus_1", new_reference())
            assert made.token
            assert made.expires_at > datetime.now(UTC)

    async def test_what_is_linked_is_known_until_it_is_removed(
        self, provider: BankAggregator, server: str
    ) -> None:
        """By its access token; removing it once more is no error."""
        item_id, token = await self._linked(provider, server)
        assert (await provider.item(token)).item_id == item_id
        for _ in range(2):
            await provider.remove_item(token)
        for error in (
            await error_of(provider.item(token)),
            await error_of(provider.transactions(token, cursor="", count=_PAGE)),
        ):
            assert isinstance(error, ProviderDeclined), repr(error)
            assert error.code == ITEM_GONE

    async def test_a_token_that_is_none_is_refused(self, provider: BankAggregator) -> None:
        """For good."""
        error = await error_of(provider.exchange("public-none"))
        assert isinstance(error, ProviderDeclined), repr(error)
        assert error.code == TOKEN_REFUSED

    async def test_pages_tell_all_once_and_the_last_cursor_what_came_since(
        self, provider: BankAggregator, server: str
    ) -> None:
        """Amounts as they are written, cursors that fit, no page larger than asked for."""
        _, token = await self._linked(provider, server)
        pages = await self._pages(provider, token)
        ids = [one.id for page in pages for one in page.added]
        assert len(ids) == len(set(ids)) == 10
        assert all(len(page.added) <= _PAGE for page in pages)
        assert all(0 < len(page.next_cursor) <= CURSOR_LENGTH_MAX for page in pages)
        accounts = {account.id for page in pages for account in page.accounts}
        assert {one.account_id for page in pages for one in page.added} <= accounts
        assert all(one.amount == round(one.amount, 2) for page in pages for one in page.added)
        again = await provider.transactions(token, cursor=pages[-1].next_cursor, count=_PAGE)
        assert (again.added, again.modified, again.removed) == ((), (), ())
        assert not again.has_more

    async def test_a_page_whose_answer_is_lost_is_told_again(
        self, wire: Wire, provider: BankAggregator, server: str
    ) -> None:
        """The same cursor, the same page; what may have acted is said to."""
        _, token = await self._linked(provider, server)
        first = await provider.transactions(token, cursor="", count=_PAGE)
        with wire.fault(CUT_AFTER):
            error = await error_of(
                provider.transactions(token, cursor=first.next_cursor, count=_PAGE)
            )
            assert type(error) is ProviderUnavailable, repr(error)
            made = await error_of(provider.create_link_token("cus_1", new_reference()))
            assert isinstance(made, ProviderOutcomeUnknown), repr(made)
        second, again = [
            await provider.transactions(token, cursor=first.next_cursor, count=_PAGE)
            for _ in range(2)
        ]
        assert second == again
        assert {one.id for one in second.added}.isdisjoint(one.id for one in first.added)
