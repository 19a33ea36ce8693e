"""Who looks after trades while chaos has them fail: lists assets, tells the services what to do to
them, calls some trades off, and has the others go on.
"""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from random import Random
from typing import Any, Final
from zlib import crc32

import httpx

from perdure.chaos.client import PersistentClient
from perdure.chaos.load import Part
from perdure.storage.outages import wait_out
from perdure.trades.book.commands import ChangeInstrument, Instrument
from perdure.trades.chaos_figures import OrderRow, TradeRow, read_orders, read_trades
from perdure.trades.contracts import KIND
from perdure.trades.orders.model import ENDED, IN_BOOK
from perdure.trades.orders.service import Orders
from perdure.trades.services.assets import ASSETS_ROLE
from perdure.trades.services.wallets import WALLETS_ROLE

FEE_BASIS_POINTS: Final = 30
_CURRENCY: Final = "USD"
_ACTOR: Final = "chaos"
_REASON: Final[dict[str, Any]] = {"reason": "Chaos looks after it."}
_CALLED_OFF: Final = 12
"""One of so many trades is called off while it is under way; one of fewer of those that wait."""
_CALLED_OFF_PARKED: Final = 3
_REPLACED: Final = 4
"""One of so many orders that rest is replaced by a dearer one."""
_LOOK_S: Final = 0.5
_PATIENCE_S: Final = 600.0
"""How long after the storm somebody looks after what came of it."""

_BLOCKS: Final = ["Block", "GetBlock"]
_TRANSFERS: Final = ["Transfer", "GetTransfer"]
_AT_ASSETS: Final[Sequence[Mapping[str, Any]]] = (
    {"fault": "other_amount", "methods": _BLOCKS},
    {"fault": "other_asset", "methods": _BLOCKS},
    {"fault": "other_owner", "methods": _BLOCKS},
    {"fault": "other_reference", "methods": _BLOCKS},
    {"fault": "unknown_status", "methods": _BLOCKS},
    {"fault": "other_owner", "methods": ["Deliver", "GetBlock"]},
    {"fault": "cut_after", "methods": ["Deliver"]},
    {"fault": "refused", "methods": ["Block"]},
    {"fault": "refused", "methods": ["Deliver"]},
    {"fault": "refused", "methods": ["Unblock", "Deliver"]},
)
_AT_WALLETS: Final[Sequence[Mapping[str, Any]]] = (
    {"fault": "other_amount", "methods": _TRANSFERS},
    {"fault": "other_asset", "methods": _TRANSFERS},
    {"fault": "other_owner", "methods": _TRANSFERS},
    {"fault": "other_reference", "methods": _TRANSFERS},
    {"fault": "unknown_status", "methods": _TRANSFERS},
    {"fault": "refused", "methods": ["Transfer"]},
    {"fault": "refused", "methods": ["Reverse"]},
    {"fault": "fails", "methods": ["Transfer"]},
)
"""How a service treats an asset, or an account, as long as it runs and nobody mends it."""


async def prepare(part: Part, _: PersistentClient) -> None:
    """List a round's assets, and have the services mistreat two of them, and one account.

    Raises:
        ProviderUnavailable: The database stayed away.
    """
    orders = part.platform.kinds.own(Orders)
    for asset in assets_of(part):
        await wait_out(
            partial(
                orders.list_asset,
                asset,
                ChangeInstrument(*Instrument()),
                currency=_CURRENCY,
                fee_basis_points=FEE_BASIS_POINTS,
                actor=_ACTOR,
                reason=_REASON["reason"],
            )
        )
    fate = Random(f"mistreated:{part.storm.plan.seed}")  # noqa: S311 - reproducible
    for role, name in _mistreated(part):
        among = _AT_ASSETS if role == ASSETS_ROLE.name else _AT_WALLETS
        await _control(part, role, "PUT", name, fate.choice(among))


async def attend(part: Part, client: PersistentClient) -> None:
    """Call some trades off, and replace some orders; once the storm is over, call off what rests,
    and have go on what waits.

    Raises:
        ProviderUnavailable: The API, or the database, stayed away.
    """
    people, over_since = _People(part, client), 0.0
    now_s = asyncio.get_running_loop().time
    while not (over_since and now_s() - over_since > _PATIENCE_S):
        if part.storm.is_over and not over_since:
            over_since = now_s()
            for role, name in _mistreated(part):
                await _control(part, role, "DELETE", name)
        if not await people.look() and over_since:
            return
        await asyncio.sleep(_LOOK_S)


class _People:
    def __init__(self, part: Part, client: PersistentClient) -> None:
        self._part = part
        self._client = client
        self._done: set[str] = set()
        """What was asked for once."""

    async def look(self) -> bool:
        """Do what is to be done now; False: nothing is under way any more."""
        part, is_over = self._part, self._part.storm.is_over
        orders, trades = await read_orders(part), await read_trades(part)
        work = []
        for trade in trades:
            if trade.is_finished:
                continue
            if trade.status == "needs_attention":
                if is_over:
                    work.append(self._release(trade))
            elif crc32(trade.id.encode()) % _CALLED_OFF == 0:
                work.append(self._once(f"/v1/operations/{trade.id}/cancel"))
        for order in orders:
            if order.status not in IN_BOOK:
                continue
            if is_over:
                work.append(self._once(f"/v1/orders/{order.id}/cancel"))
            elif crc32(order.id.encode()) % _REPLACED == 0:
                work.append(self._once(f"/v1/orders/{order.id}/replace", _dearer(order)))
        await asyncio.gather(*work)
        return any(order.status not in ENDED for order in orders) or not all(
            trade.is_finished for trade in trades
        )

    async def _release(self, trade: TradeRow) -> None:
        """Have a trade that waits for somebody go on, or go back."""
        self._part.storm.released[KIND][trade.failure_code or ""] += 1
        if crc32(trade.id.encode()) % _CALLED_OFF_PARKED == 0:
            await self._once(f"/v1/operations/{trade.id}/cancel")
        await self._client.post(f"/v1/operations/{trade.id}/relaunch", _REASON)

    async def _once(self, path: str, body: dict[str, Any] = _REASON) -> None:
        if path not in self._done:
            self._done.add(path)
            await self._client.post(path, body)


def _dearer(order: OrderRow) -> dict[str, Any]:
    return {"price_minor": order.price_minor + 1, "quantity_lots": order.quantity_lots}


def assets_of(part: Part) -> list[str]:
    """Return what a round's orders are for."""
    return sorted({each.asked.body["asset"] for each in part.planned})


def _mistreated(part: Part) -> list[tuple[str, str]]:
    seed = part.storm.plan.seed
    return [
        (ASSETS_ROLE.name, f"RELIC-{seed}"),
        (ASSETS_ROLE.name, f"STAMP-{seed}"),
        (WALLETS_ROLE.name, part.storm.wallets[seed % len(part.storm.wallets)]),
    ]


async def _control(
    part: Part, role: str, method: str, name: str, behaviour: Mapping[str, Any] | None = None
) -> None:
    """Tell a service how to treat what is about a name; it may be down for a moment."""
    (url,) = part.machine.urls_of(role)

    async def tell() -> None:
        async with httpx.AsyncClient(timeout=10, trust_env=False) as http:
            try:
                answer = await http.request(
                    method, f"{url}/control/behaviours/{name}", json=behaviour
                )
            except httpx.TransportError as error:
                raise TimeoutError(f"{role} is away: {error}.") from error
            answer.raise_for_status()

    await wait_out(tell)
