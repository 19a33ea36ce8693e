"""Orders and requests as they come in: checked, and stored with the money of a buy set aside.

Those in flight together share a commit. A request sent again, by its key or its reference, is the
one that is stored: its key is in the row, and no second row has it.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from perdure.core.claim import current_customer
from perdure.core.errors import IdempotencyMismatch, PerdureError
from perdure.core.ids import new_id
from perdure.core.telemetry import telemetry
from perdure.ledger.store import LedgerStore
from perdure.storage.group_commit import GroupCommit
from perdure.storage.pool import Connection, Pool, transaction
from perdure.storage.row_security import refusals_told
from perdure.trades.book.commands import Command
from perdure.trades.book.journal import encode_command
from perdure.trades.orders.instruments import instruments_by_asset
from perdure.trades.orders.model import COLUMNS, REQUEST_PREFIX, Order, new_hold
from perdure.trades.orders.new_orders import NewOrder, Once, check_figures, order_of


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRequest:
    """What is asked of a book beside a new order."""

    asset: str
    order_id: str | None
    command: Command
    actor: str
    reason: str | None = None
    once: Once | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """An order as it was stored, by this request or by one before it."""

    order: Order
    is_repeat: bool


@dataclass(frozen=True, slots=True)
class TakenRequest:
    """A request as it was stored, by this one or by one before it."""

    id: str
    is_repeat: bool


class Intake:
    """Takes in orders, and what is asked of a book."""

    def __init__(self, pool: Pool, ledger: LedgerStore[Connection]) -> None:
        self._pool = pool
        self._ledger = ledger
        self._orders: GroupCommit[NewOrder, Taken | PerdureError] = GroupCommit(self._place)
        self._requests: GroupCommit[NewRequest, TakenRequest | PerdureError] = GroupCommit(
            self._ask
        )

    async def place(self, new: NewOrder) -> Taken:
        """Store an order; a buy has its money on hold from here on.

        Raises:
            InvalidInput: What is asked for is none of what the asset is traded in.
            NotFound: `asset_not_found`, `account_not_found`.
            Refused: `account_not_open`; `insufficient_funds`.
            IdempotencyMismatch: The key or the reference was used for another order.
            Forbidden: `other_customer`: it is in another's name than the key it came with.
        """
        check_figures(new.price_minor, new.quantity_lots)
        # What is written together is in nobody's trace or name, so each order says its own.
        said = replace(new, traceparent=telemetry().traceparent(), claimed_by=current_customer())
        with refusals_told():
            return _or_raise(await self._orders.submit(said))

    async def ask(self, new: NewRequest) -> TakenRequest:
        """Store a request of a book.

        Raises:
            IdempotencyMismatch: The key was used for another request.
        """
        return _or_raise(await self._requests.submit(new))

    async def _place(self, group: list[NewOrder]) -> Sequence[Taken | PerdureError]:
        async with transaction(self._pool) as connection:
            listed = await instruments_by_asset(connection, {new.asset for new in group})
            accounts = await self._ledger.accounts_with_balances(
                connection, {new.account_id for new in group}
            )
            found: dict[int, Taken | PerdureError] = {}
            rows: dict[int, Order] = {}
            for place, new in enumerate(group):
                try:
                    account, _ = accounts.get(new.account_id, (None, None))
                    rows[place] = order_of(new, listed.get(new.asset), account)
                except PerdureError as error:
                    found[place] = error
            # What is known is answered as it was, whatever has changed since.
            known = await _known(connection, group)
            for place, new in enumerate(group):
                if (twin := known.get(place)) is not None:
                    found[place] = _same(twin, new)
                    rows.pop(place, None)
            stored = await _insert(connection, group, rows)
            refused = await self._hold(connection, [rows[place] for place in stored])
            if refused:
                await connection.execute("DELETE FROM orders WHERE id = ANY($1)", list(refused))
            lost = {place: group[place] for place in rows if place not in stored}
            for place, order in rows.items():
                if place in stored:
                    found[place] = refused.get(order.id) or Taken(order, is_repeat=False)
            if lost:
                # Another request with the key, or the reference, was a moment earlier.
                twins = await _known(connection, [*lost.values()])
                for at, place in enumerate(lost):
                    found[place] = _same(twins[at], group[place])
        return [found[place] for place in range(len(group))]

    async def _hold(
        self, connection: Connection, orders: Collection[Order]
    ) -> dict[str, PerdureError]:
        """Set aside what the buys may cost; returns why not, by the orders' ids."""
        holds = {
            order.id: new_hold(order, "hold 1", order.hold_minor)
            for order in orders
            if order.side == "buy"
        }
        held = await self._ledger.hold_many(connection, list(holds.values()))
        refused: dict[str, PerdureError] = {}
        for order_id, hold in holds.items():
            if hold.id not in held:
                try:
                    await self._ledger.hold(connection, hold)
                except PerdureError as error:
                    refused[order_id] = error
        return refused

    async def _ask(self, group: list[NewRequest]) -> Sequence[TakenRequest | PerdureError]:
        ids = [new_id(REQUEST_PREFIX) for _ in group]
        keys = [new.once.key if new.once else None for new in group]
        async with transaction(self._pool) as connection:
            rows = await connection.fetch(
                _INSERT_REQUESTS,
                ids,
                [new.asset for new in group],
                [new.order_id for new in group],
                [encode_command(new.command) for new in group],
                [new.actor for new in group],
                [new.reason for new in group],
                keys,
                [new.once.fingerprint if new.once else None for new in group],
            )
            made = {row["id"] for row in rows}
            if len(made) == len(group):
                return [TakenRequest(one, is_repeat=False) for one in ids]
            twins = await connection.fetch(
                "SELECT id, request_key, fingerprint FROM order_requests"
                " WHERE request_key = ANY($1)",
                [key for key in keys if key is not None],
            )
        by_key = {row["request_key"]: row for row in twins}
        found: list[TakenRequest | PerdureError] = []
        for one, new in zip(ids, group, strict=True):
            if one in made or new.once is None:
                found.append(TakenRequest(one, is_repeat=False))
                continue
            twin = by_key[new.once.key]
            is_same = twin["fingerprint"] == new.once.fingerprint
            found.append(TakenRequest(twin["id"], is_repeat=True) if is_same else _other_request())
        return found


_STORED: Final = {
    "id": "text",
    "asset": "text",
    "currency": "text",
    "customer_id": "text",
    "account_id": "text",
    "reference": "text",
    "contact": "jsonb",
    "side": "text",
    "price_minor": "bigint",
    "quantity_lots": "integer",
    "time_in_force": "text",
    "post_only": "boolean",
    "self_trade": "text",
    "expires_at_ms": "bigint",
    "fee_basis_points": "integer",
    "status": "text",
    "remaining_lots": "integer",
    "hold_id": "text",
    "hold_minor": "bigint",
    "reserved_lots": "integer",
    "traceparent": "text",
}
_GIVEN: Final = (
    *_STORED.items(),
    ("request_key", "text"),
    ("fingerprint", "bytea"),
    ("claimed_by", "text"),
)
_NAMES: Final = ", ".join(name for name, _ in _GIVEN)
_ARRAYS: Final = ", ".join(f"${at}::{kind}[]" for at, (_, kind) in enumerate(_GIVEN, start=1))
_INSERT_ORDERS: Final = f"""
INSERT INTO orders ({_NAMES}, look_at)
SELECT {_NAMES}, CASE WHEN status = 'reserving' THEN now() END
FROM unnest({_ARRAYS}) AS given ({_NAMES})
ON CONFLICT DO NOTHING
RETURNING id
"""
_INSERT_REQUESTS: Final = """
INSERT INTO order_requests (id, asset, order_id, command, actor, reason, request_key, fingerprint)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[],
    $7::text[], $8::bytea[])
ON CONFLICT DO NOTHING
RETURNING id
"""
_KNOWN: Final = f"""
SELECT {", ".join(f"found.{name}" for name in COLUMNS.split(", "))}, found.fingerprint, asked.place
FROM unnest($1::text[], $2::text[], $3::text[])
    WITH ORDINALITY AS asked (request_key, customer_id, reference, place),
    LATERAL (
        SELECT * FROM orders WHERE request_key = asked.request_key
        UNION ALL
        SELECT * FROM orders
        WHERE customer_id = asked.customer_id AND reference = asked.reference LIMIT 1
    ) AS found
"""


async def _known(
    connection: Connection, group: Sequence[NewOrder]
) -> dict[int, tuple[Order, bytes | None]]:
    """Return those that are stored already, by their places in the group."""
    rows = await connection.fetch(
        _KNOWN,
        [new.once.key if new.once else None for new in group],
        [new.customer_id for new in group],
        [new.reference for new in group],
    )
    found = {}
    for row in rows:
        *values, kept, place = row.values()
        found[place - 1] = Order(*values), kept
    return found


async def _insert(
    connection: Connection, group: Sequence[NewOrder], rows: Mapping[int, Order]
) -> list[int]:
    """Store orders; returns the places of those that were not there."""
    if not rows:
        return []
    once = [group[place].once for place in rows]
    made = await connection.fetch(
        _INSERT_ORDERS,
        *([getattr(order, name) for order in rows.values()] for name in _STORED),
        [one.key if one else None for one in once],
        [one.fingerprint if one else None for one in once],
        [group[place].claimed_by for place in rows],
    )
    ids = {row["id"] for row in made}
    return [place for place, order in rows.items() if order.id in ids]


def _same(twin: tuple[Order, bytes | None], new: NewOrder) -> Taken | PerdureError:
    """Return what a request led to before, or refuse another one with its key or reference."""
    order, kept = twin
    if new.once is not None and kept == new.once.fingerprint:
        return Taken(order, is_repeat=True)
    if new.reference is not None and order.reference == new.reference:
        return IdempotencyMismatch(
            f"The reference {new.reference} was used for another order; use a new one.",
            param="reference",
        )
    return _other_request()


def _other_request() -> IdempotencyMismatch:
    return IdempotencyMismatch(
        "This Idempotency-Key was used for another request; use a new key for a new request.",
        code="idempotency_key_reused",
    )


Found = TypeVar("Found")


def _or_raise(found: Found | PerdureError) -> Found:
    if isinstance(found, PerdureError):
        raise found
    return found
