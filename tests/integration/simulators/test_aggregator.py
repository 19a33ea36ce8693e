"""The bank aggregator: what its pages tell, how they go wrong, and its webhooks."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from tests.polls import eventually

from perdure.core.errors import PerdureError, ProviderDeclined, ProviderRateLimited
from perdure.providers.aggregator import (
    LOGIN_REQUIRED,
    PAGES_CHANGED,
    AggregatorEvent,
    EventKind,
    TransactionsPage,
)
from perdure.providers.host import ProviderHost
from perdure.providers.plaid import PlaidAggregator, PlaidSettings
from perdure.simulators.aggregator import AggregatorSettings, open_aggregator
from perdure.simulators.aggregator_books import AggregatorBooks, Manner, MutatedError
from perdure.simulators.http_server import serve_http
from perdure.simulators.journal import Journal
from perdure.testing.provider_contract import error_of


@dataclass
class Running:
    """An aggregator, ours to make misbehave."""

    plaid: PlaidAggregator
    control: httpx.AsyncClient
    told: list[AggregatorEvent | PerdureError] = field(default_factory=list)

    async def item(self, **fields: Any) -> dict[str, Any]:
        made = await self.control.post("/control/items", json=fields)
        made.raise_for_status()
        return dict(made.json())

    async def manner(self, item: dict[str, Any], **manner: Any) -> None:
        answer = await self.control.put(f"/control/items/{item['item_id']}", json=manner)
        answer.raise_for_status()

    async def changes(self, item: dict[str, Any], *changes: dict[str, Any]) -> None:
        path = f"/control/items/{item['item_id']}/changes"
        (await self.control.post(path, json={"changes": changes})).raise_for_status()

    async def page(
        self, item: dict[str, Any], cursor: str = "", count: int = 100
    ) -> TransactionsPage:
        return await self.plaid.transactions(item["access_token"], cursor=cursor, count=count)

    async def to_the_end(self, item: dict[str, Any], cursor: str = "") -> str:
        while (page := await self.page(item, cursor)).has_more:
            cursor = page.next_cursor
        return page.next_cursor


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    found: list[Running] = []

    async def hear(request: Request) -> Response:
        try:
            told = await found[0].plaid.read_webhook(request.headers, await request.body())
        except PerdureError as error:
            found[0].told.append(error)
        else:
            found[0].told.append(told)
        return Response(status_code=200)

    async with (
        serve_http([Route("/hook", hear, methods=["POST"])], host="127.0.0.1", port=0) as hook,
        open_aggregator(
            AggregatorSettings(tmp_path, port=0, webhook=f"http://127.0.0.1:{hook}/hook")
        ) as port,
        ProviderHost(timeout_s=5) as host,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as control,
    ):
        settings = PlaidSettings(url=f"http://127.0.0.1:{port}")
        found.append(Running(PlaidAggregator.from_settings(settings, host), control))
        yield found[0]


async def test_a_page_has_100_changes_unless_asked_for_up_to_500(running: Running) -> None:
    item = await running.item(transactions=501)
    assert len((await running.page(item)).added) == 100
    assert len((await running.page(item, count=500)).added) == 500
    refused = await error_of(running.page(item, count=501))
    assert "count" in refused.message


async def test_nothing_is_told_of_an_item_that_is_not_ready(running: Running) -> None:
    item = await running.item(transactions=1)
    await running.manner(item, not_ready=1)
    first, second = await running.page(item), await running.page(item)
    assert (first.is_ready, first.next_cursor, first.has_more, first.added) == (
        False,
        "",
        False,
        (),
    )
    assert second.is_ready
    assert len(second.added) == 1


async def test_what_happens_between_pages_breaks_the_loop(running: Running) -> None:
    """Its pages are no more; from the loop's first cursor it is told whole."""
    item = await running.item(transactions=250)
    first = await running.page(item)
    await running.changes(item, {"kind": "added", "transaction_id": "late", "amount": "1.10"})
    broken = await error_of(running.page(item, first.next_cursor))
    assert isinstance(broken, ProviderDeclined)
    assert broken.code == PAGES_CHANGED
    end = await running.to_the_end(item)
    assert (await running.page(item, end)).added == ()


async def test_a_loop_is_broken_at_the_pages_that_are_chosen(running: Running) -> None:
    """As often as is asked for."""
    item = await running.item(transactions=300)
    await running.manner(item, mutations={2: 2, 1: 1})
    assert (await error_of(running.page(item))).code == PAGES_CHANGED
    first = await running.page(item)
    for _ in range(2):
        assert (await error_of(running.page(item, first.next_cursor))).code == PAGES_CHANGED
    assert len((await running.page(item, first.next_cursor)).added) == 100


async def test_what_a_broken_loop_changed_outlives_a_kill(tmp_path: Path) -> None:
    """Cursors are places in the order of what happened: of one that is lost all others move."""
    made = {"customer_id": "cus_1", "institution": "Bank", "webhook": "", "accounts": 1}
    made |= {"transactions": 3, "pending": 0, "currency": "USD", "seed": 1}
    made |= {"days": 30, "until": "2026-01-31"}
    async with Journal(tmp_path / "aggregator.jsonl") as journal:
        books = AggregatorBooks(journal)
        item = books.make_item(made)
        item.manner = Manner(mutations={1: 1}, changes=True)
        with pytest.raises(MutatedError):
            books.page(item, "", 10)
        assert [kind for kind, _ in item.log] == ["added"] * 3 + ["modified"]
    async with Journal(tmp_path / "aggregator.jsonl") as journal:
        again = AggregatorBooks(journal).item(item.item_id)
        assert again is not None
        assert again.log == item.log


@pytest.mark.parametrize("linked", [True, False])
async def test_what_was_pending_is_removed_and_added_under_another_id(
    running: Running, linked: bool
) -> None:
    """Over two pages, with the id it had or without."""
    item = await running.item(transactions=2, pending=1)
    end = await running.to_the_end(item)
    pending = f"{item['item_id']}-t1"
    await running.changes(
        item,
        {"kind": "post", "transaction_id": pending, "linked": linked, "fields": {"amount": 9.87}},
    )
    removed = await running.page(item, end, count=1)
    added = await running.page(item, removed.next_cursor, count=1)
    assert (removed.removed, removed.added, removed.has_more) == ((pending,), (), True)
    (booked,) = added.added
    assert (booked.id, booked.pending) == (f"{pending}-posted", False)
    assert str(booked.amount) == "9.87"
    assert booked.pending_id == (pending if linked else None)


async def test_what_was_never_told_of_may_be_modified(running: Running) -> None:
    item = await running.item()
    end = await running.to_the_end(item)
    await running.changes(item, {"kind": "modified", "transaction_id": "unknown", "amount": 1})
    (modified,) = (await running.page(item, end)).modified
    assert modified.id == "unknown"


async def test_a_cursor_may_come_again_and_pages_for_ever(running: Running) -> None:
    item = await running.item(transactions=300)
    first = await running.page(item)
    await running.manner(item, repeats_at=2)
    again = await running.page(item, first.next_cursor)
    assert (again.next_cursor, again.has_more) == (first.next_cursor, True)
    await running.manner(item, repeats_at=0, never_ends=True)
    cursor = ""
    for _ in range(5):
        page = await running.page(item, cursor)
        assert page.has_more
        assert page.next_cursor != cursor
        cursor = page.next_cursor


async def test_too_many_pages_are_refused_without_a_word_of_when(running: Running) -> None:
    item, other = await running.item(), await running.item()
    for _ in range(50):
        await running.page(item)
    answer = await running.control.post(
        "/transactions/sync", json={"access_token": item["access_token"]}
    )
    assert answer.status_code == 429
    assert not {"retry-after", "ratelimit-reset"} & set(answer.headers)
    assert isinstance(await error_of(running.page(item)), ProviderRateLimited)
    assert not (await running.page(other)).has_more


async def test_an_expired_login_is_said_so(running: Running) -> None:
    item = await running.item()
    await running.manner(item, login_required=True)
    assert (await error_of(running.page(item))).code == LOGIN_REQUIRED
    assert (await running.plaid.item(item["access_token"])).error == LOGIN_REQUIRED
    await running.manner(item, login_required=False)
    assert (await running.plaid.item(item["access_token"])).error is None


async def test_webhooks_are_signed_and_tell_of_updates_once_pages_were_asked_for(
    running: Running,
) -> None:
    """Old ones come all the same; another key signs when the first is done with."""
    item = await running.item()
    change = {"kind": "added", "transaction_id": "one", "amount": 1}
    await running.changes(item, change)
    await _heard(running, 1)
    await running.page(item)
    await running.changes(item, change)
    await _heard(running, 3)
    (await running.control.post("/control/rotate_key")).raise_for_status()
    await running.changes(item, change)
    told = await _heard(running, 5)
    events = [one for one in told if isinstance(one, AggregatorEvent)]
    assert [one.kind for one in events].count(EventKind.UPDATES) == 2
    assert [one.type for one in events].count("TRANSACTIONS.DEFAULT_UPDATE") == 3
    assert {one.item_id for one in events} == {item["item_id"]}


async def _heard(running: Running, count: int) -> list[AggregatorEvent | PerdureError]:
    return await eventually(lambda: running.told if len(running.told) >= count else None)


async def test_its_books_outlive_it(tmp_path: Path) -> None:
    settings = AggregatorSettings(tmp_path, port=0)

    async def books(**made: Any) -> Any:
        async with (
            open_aggregator(settings) as port,
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as control,
        ):
            if made:
                await control.post("/control/items", json=made)
            return (await control.get("/control/accounts")).json()["data"]

    before = await books(transactions=20, accounts=2, pending=3)
    assert [one["count"] for one in before] == [10, 10]
    assert await books() == before
