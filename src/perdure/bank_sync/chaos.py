"""Bank syncs as chaos makes them: of items on which much happens, some of which misbehave.

What came of them is compared with the aggregator's own books; see `chaos_figures`.
"""

import asyncio
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, Final

import httpx

from perdure.bank_sync.chaos_figures import (
    UNSETTLED,
    ItemRow,
    SyncRow,
    customer_of,
    look,
    read_items,
    read_syncs,
)
from perdure.bank_sync.contracts import AGGREGATOR, KIND
from perdure.chaos.client import PersistentClient
from perdure.chaos.dice import Dice
from perdure.chaos.load import Load, Part
from perdure.chaos.planned import Asked, Contact, Planned
from perdure.chaos.seen import Storm
from perdure.storage.outages import wait_out

ITEMS: Final = 4
"""Of a round: one on which only much happens, one whose loops break, one whose cursors come again,
one whose customer has to log in anew."""
_BREAKS, _REPEATS, _LAPSES = 1, 2, 3
_TRANSACTIONS: Final = 35
_PAGE: Final = 10
_REASON: Final = {"reason": "Chaos looks after it."}
_HAPPENS_S: Final = 0.7
_LOOK_S: Final = 0.5
_PATIENCE_S: Final = 600.0
"""How long after the storm somebody looks after what came of it."""


def _ask(dice: Dice) -> Asked:
    number = dice.number_below(ITEMS)
    return Asked(
        amount_minor=0,
        method=f"item {number}",
        body={"item": number},
        customer=Contact(None, None),
        is_refundable=False,
    )


def _body(planned: Planned, storm: Storm) -> dict[str, Any]:
    item_id = storm.made[_item(planned.asked.body["item"])]
    return {"customer_id": customer_of(storm), "item_id": item_id}


def _item(number: int) -> str:
    return f"bank_item_{number}"


async def prepare(part: Part, client: PersistentClient) -> None:
    """Have the round's items linked; their first syncs begin with that.

    Raises:
        ProviderUnavailable: The API, or the aggregator, stayed away.
    """
    customer_id = customer_of(part.storm)
    of_each = {"transactions": _TRANSACTIONS, "pending": 5, "accounts": 2}
    for number in range(ITEMS):
        seed = part.storm.plan.seed * ITEMS + number + 1
        made = await _control(part, "POST", "", of_each | {"seed": seed})
        answer = await client.post(
            "/v1/bank-items",
            {"customer_id": customer_id, "public_token": made["public_token"]},
            key=f"{customer_id}-{number}",
        )
        part.storm.made[_item(number)] = str(answer.raise_for_status().json()["id"])


async def attend(part: Part, client: PersistentClient) -> None:
    """Have things happen on the accounts; once the storm is over, have all be read to the end.

    Raises:
        ProviderUnavailable: The API, or the database, stayed away.
    """
    people = _People(part, client)
    while not part.storm.is_over:
        await people.have_something_happen()
        await asyncio.sleep(_HAPPENS_S)
    over_at = await people.mend()
    until_s = asyncio.get_running_loop().time() + _PATIENCE_S
    while asyncio.get_running_loop().time() < until_s:
        if await people.look(over_at):
            return
        await asyncio.sleep(_LOOK_S)


class _People:
    def __init__(self, part: Part, client: PersistentClient) -> None:
        self._part = part
        self._client = client
        self._fate = Random(f"bank:{part.storm.plan.seed}")  # noqa: S311 - reproducible
        self._happened = 0

    async def have_something_happen(self) -> None:
        """Have transactions come, go and change on one item; and one behave as it does."""
        number = self._fate.randrange(ITEMS)
        at = await self._at_aggregator(number)
        manner: dict[int, Mapping[str, Any]] = {
            _BREAKS: {"mutations": {1: self._fate.randrange(6), 2: 1}, "changes": True},
            _REPEATS: {"repeats_at": 2},
            _LAPSES: {"login_required": self._fate.random() < 0.5},
        }
        if number in manner:
            await _control(self._part, "PUT", at, manner[number])
        standing = await _control(self._part, "GET", f"{at}/transactions")
        changes = [self._change(standing) for _ in range(self._fate.choice((1, 2, 5, 25)))]
        await _control(self._part, "POST", f"{at}/changes", {"changes": changes})

    def _change(self, standing: list[Mapping[str, Any]]) -> dict[str, Any]:
        """Return what happens to one of those that are; what is removed is none of them any more.

        A page tells apart what was modified and removed, and not which of them came first.
        """
        self._happened += 1
        one = self._fate.choice(standing)
        pending = [each for each in standing if each["pending"]]
        amount = self._fate.randrange(-9999, 9999) / 100
        match self._fate.choice(("added", "added", "modified", "removed", "post")):
            case "modified":
                return _changed("modified", one["transaction_id"], amount=amount)
            case "removed" if len(standing) > _TRANSACTIONS // 2:
                standing.remove(one)
                return _changed("removed", one["transaction_id"])
            case "post" if pending:
                standing.remove(pending[0])
                linked = self._fate.random() < 0.5
                return _changed("post", pending[0]["transaction_id"], linked=linked)
            case _:
                return _changed("added", f"chaos-{self._happened}", amount=amount)

    async def mend(self) -> Any:
        """Have no item misbehave any more; returns since when."""
        good = {"mutations": {}, "repeats_at": 0, "login_required": False}
        for number in range(ITEMS):
            at = await self._at_aggregator(number)
            await _control(self._part, "PUT", at, good)
        told = {"webhook_type": "ITEM", "webhook_code": "LOGIN_REPAIRED"}
        at = await self._at_aggregator(_LAPSES)
        await _control(self._part, "POST", f"{at}/webhook", told)
        return await wait_out(lambda: self._part.platform.pool.fetchval("SELECT now()"))

    async def look(self, over_at: Any) -> bool:
        """Do what is to be done now; True: each item was read to its end since all were mended."""
        found, syncs = await read_items(self._part), await read_syncs(self._part)
        open_ones = [one for one in syncs if not one.is_finished]
        await asyncio.gather(
            *(self._release(one) for one in open_ones if one.status == "needs_attention")
        )
        left = [one for one in found if not _is_read(one, syncs, over_at)]
        await asyncio.gather(*(self._read_anew(one) for one in left if one.syncing is None))
        return not left and not open_ones

    async def _release(self, sync: SyncRow) -> None:
        self._part.storm.released[KIND][sync.failure_code or ""] += 1
        await self._client.post(f"/v1/operations/{sync.id}/relaunch", _REASON)

    async def _read_anew(self, item: ItemRow) -> None:
        body = {"customer_id": customer_of(self._part.storm), "item_id": item.id}
        await self._client.post("/v1/bank-syncs", body)

    async def _at_aggregator(self, number: int) -> str:
        item_id = self._part.storm.made[_item(number)]
        (found,) = [one for one in await read_items(self._part) if one.id == item_id]
        return f"/{found.provider_item_id}"


def _is_read(item: ItemRow, syncs: Sequence[SyncRow], since: Any) -> bool:
    return item.syncing is None and any(
        one.item_id == item.id and one.status == "succeeded" and one.created_at > since
        for one in syncs
    )


def _changed(kind: str, transaction_id: str, **how: Any) -> dict[str, Any]:
    return {"kind": kind, "transaction_id": transaction_id, **how}


async def _control(part: Part, method: str, at: str, said: Mapping[str, Any] | None = None) -> Any:
    """Tell the aggregator what happens; it may be down for a moment."""
    (url,) = part.machine.urls_of(AGGREGATOR)

    async def tell() -> Any:
        async with httpx.AsyncClient(timeout=10, trust_env=False) as http:
            try:
                answer = await http.request(method, f"{url}/control/items{at}", json=said)
            except httpx.TransportError as error:
                raise TimeoutError(f"The aggregator is away: {error}.") from error
            return answer.raise_for_status().json()

    return await wait_out(tell)


LOAD: Final = Load(
    usual=20,
    by="bank-syncs",
    ask=_ask,
    body=_body,
    settings={"PERDURE_AGGREGATOR_TIMEOUT_S": "1", "PERDURE_BANK_SYNC_PAGE": str(_PAGE)},
    options={AGGREGATOR: ("--item-per-minute", "0")},
    prepare=prepare,
    attend=attend,
    unsettled=UNSETTLED,
    look=look,
)
