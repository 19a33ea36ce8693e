"""What became of a round's orders and trades, by our books and by both services' own."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from perdure.chaos.check import rejects
from perdure.chaos.load import Outcome, Part
from perdure.chaos.planned import FINISHED, POOR_WALLET, Planned
from perdure.chaos.seen import Finding, Seen, Storm
from perdure.core.errors import ProviderDisagrees, ProviderError, ProviderUnavailable
from perdure.operations.agreement import STATUS_UNKNOWN
from perdure.storage.outages import wait_out
from perdure.storage.pool import Pool
from perdure.trades.book.book import Book
from perdure.trades.book.commands import Instrument
from perdure.trades.book.journal import ReplayDiffers, encode_snapshot
from perdure.trades.contracts import KIND
from perdure.trades.orders import store
from perdure.trades.orders.model import ENDED
from perdure.trades.orders.replaying import go_on
from perdure.trades.possessions import HOUSE, Possessions, read_services
from perdure.trades.services.assets import UNBLOCK_REFUSALS
from perdure.trades.services.wallets import REVERSE_REFUSALS

OPENING_LOTS: Final = 10_000
OPENING_MINOR: Final = 100_000_000
"""What everybody has of everything, at the services."""
_CURRENCY: Final = "USD"
_AWAY_S_MAX: Final = 120.0
_PAUSE_S: Final = 0.2
_REFUSALS: Final = frozenset({"order_rejected", "would_take"})
"""What an order that is stored may be refused with."""
GOOD_REASONS: Final = {
    ProviderDisagrees.code,
    STATUS_UNKNOWN,
    *UNBLOCK_REFUSALS,
    *REVERSE_REFUSALS,
}
"""Why a trade may wait for somebody: a service says otherwise, or does not undo."""


@dataclass(frozen=True, slots=True)
class OrderRow:
    """An order as its row says.

    Args:
        key: What it was asked for with.
    """

    id: str
    key: str
    status: str
    reason: str | None
    price_minor: int = 0
    quantity_lots: int = 0


@dataclass(frozen=True, slots=True)
class TradeRow:
    """A trade as its row says."""

    id: str
    status: str
    failure_code: str | None
    is_finished: bool
    asset: str
    lots: int
    buyer: str
    seller: str
    buy_order: str
    sell_order: str
    paid_minor: int
    earned_minor: int


@dataclass(frozen=True, slots=True)
class Left:
    """What a round left: our rows, and who has what by the services' own books."""

    orders: Sequence[OrderRow]
    trades: Sequence[TradeRow]
    services: Possessions


async def read_orders(part: Part) -> list[OrderRow]:
    """Return a round's orders."""
    pool, customer_id = part.platform.pool, part.storm.plan.customer_id
    rows = await wait_out(lambda: pool.fetch(_ORDERS, customer_id))
    return [OrderRow(*row.values()) for row in rows]


async def read_trades(part: Part) -> list[TradeRow]:
    """Return what those orders have agreed."""
    pool, customer_id = part.platform.pool, part.storm.plan.customer_id
    rows = await wait_out(lambda: pool.fetch(_TRADES, customer_id))
    return [TradeRow(*row.values()) for row in rows]


async def look(part: Part, told: Mapping[str, int]) -> Outcome:
    """Return what became of a round's orders.

    Raises:
        ProviderUnavailable: The database, or a service, stayed away.
    """
    left = Left(await read_orders(part), await read_trades(part), await _read_services(part))
    found = findings(part.planned, part.storm, left, told)
    seed = part.storm.plan.seed
    for asset in _assets(part.planned):
        if detail := await wait_out(partial(_book_differs, part.platform.pool, asset)):
            found.append(Finding("book_differs", seed, asset, None, detail))
    counts = Counter(_ended(KIND, one.status, one.failure_code) for one in left.trades)
    counts += Counter(_ended("order", one.status, one.reason) for one in left.orders)
    counts += Counter(
        {_ended(KIND, "released", code): count for code, count in part.storm.released[KIND].items()}
    )
    return Outcome(len({order.key for order in left.orders}), counts, found)


def _ended(what: str, status: str, why: str | None) -> str:
    return f"{what} {status}: {why}" if why else f"{what} {status}"


def _assets(planned: Sequence[Planned]) -> list[str]:
    return sorted({each.asked.body["asset"] for each in planned})


def findings(
    planned: Sequence[Planned], storm: Storm, left: Left, told: Mapping[str, int]
) -> list[Finding]:
    """Return everything that is not as it must be, once a round is over.

    Args:
        told: How many messages each recipient got.
    """
    assets = _assets(planned)
    wrong = [
        *_wrong_orders(planned, storm, left, told),
        *_wrong_trades(left.trades, storm.released[KIND]),
        *_wrong_possessions(storm.wallets, assets, left),
        *_created_or_lost(assets, left.services),
    ]
    seed = storm.plan.seed
    return [Finding(name, seed, about, found, detail) for name, about, found, detail in wrong]


Wrong = Iterator[tuple[str, str, str | None, str]]
"""Names of findings, what they are about, the trade, and the details."""


def _wrong_orders(
    planned: Sequence[Planned], storm: Storm, left: Left, told: Mapping[str, int]
) -> Wrong:
    by_key: defaultdict[str, list[OrderRow]] = defaultdict(list)
    for order in left.orders:
        by_key[order.key].append(order)
    for each in planned:
        stored = by_key.pop(each.key, [])
        seen = storm.seen.get(each.key, Seen())
        for name, detail in _wrong_answers(each, seen, stored):
            yield name, each.key, None, detail
        ids = {order.id for order in stored}
        ended = sum(
            bool(ids & {trade.buy_order, trade.sell_order}) and trade.status in FINISHED
            for trade in left.trades
        )
        contact = each.asked.customer
        for recipient in filter(None, (contact.email, contact.phone)):
            got = told.get(recipient, 0)
            detail = f"{recipient} was told {got} times, of {ended} trades"
            if got > ended:
                yield "message_doubled", each.key, None, detail
            if got < ended and not rejects(recipient):
                yield "message_missing", each.key, None, detail
    for key in by_key:
        yield "not_asked_for", key, None, "nobody asked for it"


def _wrong_answers(
    planned: Planned, seen: Seen, stored: Sequence[OrderRow]
) -> Iterator[tuple[str, str]]:
    ids = {order.id for order in stored}
    if not seen.operation_ids and not seen.refusals:
        yield "not_answered", "no request for it had an answer"
    if len(ids) > 1:
        yield "doubled", f"one key, {len(ids)} orders: {', '.join(sorted(ids))}"
    if missing := {*seen.operation_ids} - ids:
        yield "lost", f"accepted as {', '.join(missing)}, and there is no such order"
    for order in stored:
        if order.status not in ENDED:
            yield "not_ended", f"{order.id} is still {order.status}"
    is_rejected = any(order.status == "rejected" for order in stored)
    for code in seen.refusals:
        if code == "insufficient_funds" and planned.wallet == POOR_WALLET:
            continue
        if code not in _REFUSALS or not is_rejected:
            yield "refused", f"answered {code}"
    if seen.cancellation not in (None, "accepted", "order_ended"):
        yield "cancellation_failed", f"answered {seen.cancellation}"


def _wrong_trades(trades: Sequence[TradeRow], released: Mapping[str, int]) -> Wrong:
    for trade in trades:
        if not trade.is_finished:
            why = f"still {trade.status} ({trade.failure_code})"
            yield "not_ended", trade.asset, trade.id, why
    for code, count in released.items():
        if code not in GOOD_REASONS:
            yield "parked_without_reason", code or "nothing", None, f"{count} waited for somebody"


def _wrong_possessions(wallets: Sequence[str], assets: Sequence[str], left: Left) -> Wrong:
    """Find what somebody has at the services otherwise than trades that succeeded say."""
    found, moved = left.services, Counter[tuple[str, str]]()
    for trade in left.trades:
        if trade.status == "succeeded":
            moved[trade.buyer, trade.asset] += trade.lots
            moved[trade.seller, trade.asset] -= trade.lots
            moved[trade.buyer, _CURRENCY] -= trade.paid_minor
            moved[trade.seller, _CURRENCY] += trade.earned_minor
    for account in wallets:
        for what, of, opening in (
            *((asset, found.assets, OPENING_LOTS) for asset in assets),
            (_CURRENCY, found.money, OPENING_MINOR),
        ):
            has, due = of.get((account, what), opening), opening + moved[account, what]
            if has != due:
                detail = f"{account} has {has} {what} there; by our books it is {due}"
                yield "owner_differs", what, None, detail
    for how, set_aside in (("reserved", found.reserved), ("blocked", found.blocked)):
        for (account, what), lots in sorted(set_aside.items()):
            if what in assets and lots:
                yield f"still_{how}", what, None, f"{lots} lots of {account} are {how} there"


def _created_or_lost(assets: Sequence[str], found: Possessions) -> Wrong:
    for asset in assets:
        over = sum(lots - OPENING_LOTS for (_, what), lots in found.assets.items() if what == asset)
        if over:
            yield "totals_differ", asset, None, f"there are {over:+} lots by the service's books"
    over = sum(
        has - (0 if account == HOUSE else OPENING_MINOR)
        for (account, what), has in found.money.items()
        if what == _CURRENCY
    )
    if over:
        yield "totals_differ", _CURRENCY, None, f"there is {over:+} by the service's books"


async def _read_services(part: Part) -> Possessions:
    deadline_s = asyncio.get_running_loop().time() + _AWAY_S_MAX
    while True:
        try:
            return await read_services(part.platform.settings)
        except ProviderError as error:
            # Killed by the next round, perhaps.
            if asyncio.get_running_loop().time() > deadline_s:
                raise ProviderUnavailable(error.message, code="books_away") from error
            await asyncio.sleep(_PAUSE_S)


async def _book_differs(pool: Pool, asset: str) -> str | None:
    """Return how a book made from its rows differs from what its journal leads to."""
    built, _ = await store.read_book(pool, asset)
    replayed = Book(Instrument())
    try:
        await go_on(pool, asset, replayed)
    except ReplayDiffers as error:
        return str(error)
    of_rows, of_journal = (encode_snapshot(book.snapshot()) for book in (built, replayed))
    return None if of_rows == of_journal else f"{of_rows} and not {of_journal}"


UNSETTLED: Final = f"""
EXISTS (SELECT FROM orders WHERE customer_id = ANY($1)
        AND (look_at IS NOT NULL OR status NOT IN ('filled', 'cancelled', 'rejected')))
OR EXISTS (SELECT FROM operations t WHERE t.kind = '{KIND}'
           AND t.input #>> '{{request,buyer_customer_id}}' = ANY($1)
           AND (t.finished_at IS NULL OR EXISTS (SELECT FROM notifications n
                WHERE n.operation_id = t.id AND n.state = 'pending')))
"""
_ORDERS: Final = """
SELECT id, contact->>'name', status, reason, price_minor, quantity_lots
FROM orders WHERE customer_id = $1 ORDER BY id
"""
_TRADES: Final = f"""
SELECT id, status, failure->>'code', finished_at IS NOT NULL, request->>'asset',
       (request->>'quantity_lots')::bigint,
       request->>'buyer_account_id', request->>'seller_account_id',
       request->>'buy_order_id', request->>'sell_order_id',
       (request->>'price_minor')::bigint * (request->>'quantity_lots')::bigint
           + (request->>'buyer_fee_minor')::bigint,
       (request->>'price_minor')::bigint * (request->>'quantity_lots')::bigint
           - (request->>'seller_fee_minor')::bigint
FROM (SELECT *, input->'request' AS request FROM operations) AS asked
WHERE kind = '{KIND}' AND request->>'buyer_customer_id' = $1 ORDER BY id
"""
