"""Reads what a round left: in our database, and in the books of the outside systems."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import httpx

from perdure.bootstrap import Platform
from perdure.chaos.load import Entry, ProviderBooks, loads
from perdure.cli.machine import Machine
from perdure.core.errors import ProviderUnavailable
from perdure.ledger.chart import system_account_id
from perdure.providers.mail import MAIL_ROLE
from perdure.providers.sms import SMS_ROLE
from perdure.storage.outages import wait_out
from perdure.storage.pool import Connection

_PAGE: Final = 1000
_AWAY_S_MAX: Final = 120.0
_PAUSE_S: Final = 0.2


@dataclass(frozen=True, slots=True)
class RefundRow:
    """An operation's refund as its row says.

    Args:
        posted_minor: What the ledger moved back for it.
        messages: The state of each message about it, by recipient.
    """

    id: str
    status: str
    failure_code: str | None
    posted_minor: int
    messages: dict[str, str]


@dataclass(frozen=True, slots=True)
class OperationRow:
    """An operation as its row says.

    Args:
        key: The idempotency key it was asked for with.
        posted_minor: What the ledger moved for it from the wallet to the accounts of the house that
            kinds take money to.
        messages: The state of each message about it, by recipient.
        refunds: All that were asked for.
    """

    id: str
    key: str
    status: str
    failure_code: str | None
    posted_minor: int
    messages: dict[str, str]
    refunds: tuple[RefundRow, ...] = ()

    @property
    def refunded_minor(self) -> int:
        """What the ledger moved back."""
        return sum(refund.posted_minor for refund in self.refunds)


@dataclass(frozen=True, slots=True)
class Wallet:
    """What is on an account, and set aside."""

    posted_minor: int
    held_minor: int


@dataclass(frozen=True, slots=True)
class OwnBooks:
    """What our database says about a round.

    Args:
        agreed_minor: What left the wallets for operations that are nobody's alone.
    """

    operations: list[OperationRow]
    wallets: list[Wallet]
    agreed_minor: int = 0


@dataclass(frozen=True, slots=True)
class OutsideBooks:
    """What the outside systems say, each by its own books.

    Args:
        effects: What was done for an operation, by its kind, by what it is, and by our reference.
        messages: How many mails and texts each recipient got.
    """

    effects: Mapping[str, Mapping[str, Mapping[str, Sequence[Entry]]]]
    messages: Counter[str]

    def of(self, operation_id: str) -> dict[str, list[Entry]]:
        """Return what was done for an operation, by what it is, whoever did it."""
        done: defaultdict[str, list[Entry]] = defaultdict(list)
        for listed in self.effects.values():
            for what, found in listed.items():
                done[what] += found.get(operation_id, ())
        return done

    def kept_minor(self, kind: str) -> int:
        """Return what a kind's providers have in all."""
        listed = self.effects.get(kind, {}).values()
        return sum(one.kept_minor for found in listed for each in found.values() for one in each)


async def read_own_books(platform: Platform, customer_id: str, wallets: list[str]) -> OwnBooks:
    """Read a round's operations and accounts; waits for a database that is away.

    Raises:
        ProviderUnavailable: `database_away`.
    """

    async def read() -> OwnBooks:
        # One moment of the database: what moves between two queries would look like a fault.
        async with (
            platform.pool.acquire() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            return OwnBooks(
                await _operations(connection, customer_id),
                [await _wallet(platform, connection, account_id) for account_id in wallets],
                await connection.fetchval(_AGREED, customer_id, wallets),
            )

    return await wait_out(read)


async def count_unsettled(platform: Platform, customer_ids: Sequence[str]) -> int:
    """Return how many of the customers' operations have not ended, or owe a message.

    Or are being looked into, although they have ended. Of what else they asked for it is one, or
    none.
    """
    looked_into = " OR ".join(load.is_looked_into for load in loads().values())
    unsettled = " OR ".join(load.unsettled for load in loads().values())

    async def count() -> int:
        return int(
            await platform.pool.fetchval(
                f"SELECT count(*) + ({unsettled})::int FROM operations WHERE customer_id = ANY($1)"
                " AND (finished_at IS NULL"
                " OR EXISTS (SELECT FROM notifications n WHERE n.operation_id = operations.id"
                " AND n.state = 'pending')"
                f" OR {looked_into})",
                list(customer_ids),
            )
        )

    return await wait_out(count)


async def read_owed_minor(platform: Platform) -> dict[str, int]:
    """Return what the ledger says that we owe the providers of a kind, where it says so."""
    async with platform.pool.acquire() as connection:
        return {
            kind: (
                await platform.ledger.balance(connection, system_account_id(load.taken_by, "USD"))
            ).posted_minor
            for kind, load in loads().items()
            if load.owes_all and load.taken_by is not None
        }


async def read_outside_books(machine: Machine) -> OutsideBooks:
    """Read all that the outside systems know.

    Raises:
        ProviderUnavailable: `books_away`: one of them is not to be read for two minutes.
    """
    async with httpx.AsyncClient(timeout=30, trust_env=False) as http:
        effects = {
            kind: {each.what: await _read_effects(http, machine, each) for each in load.books}
            for kind, load in loads().items()
        }
        messages = [
            message
            for role in (MAIL_ROLE, SMS_ROLE)
            for url in machine.urls_of(role.name)
            for message in await _read_all(http, f"{url}/v1/messages")
        ]
    return OutsideBooks(effects, Counter(message["to"] for message in messages))


async def read_listed(machine: Machine, role: str, path: str) -> list[dict[str, Any]]:
    """Return all that a role's simulators list.

    Raises:
        ProviderUnavailable: `books_away`.
    """
    async with httpx.AsyncClient(timeout=30, trust_env=False) as http:
        urls = machine.urls_of(role)
        return [row for url in urls for row in await _read_all(http, url + path)]


async def read_control(machine: Machine, role: str, path: str) -> Any:
    """Return what the one simulator of a role tells at a path.

    Raises:
        ProviderUnavailable: `books_away`.
    """
    (url,) = machine.urls_of(role)
    async with httpx.AsyncClient(timeout=30, trust_env=False) as http:
        return await _read(http, url + path, {})


async def _read_effects(
    http: httpx.AsyncClient, machine: Machine, books: ProviderBooks
) -> dict[str, list[Entry]]:
    found: defaultdict[str, list[Entry]] = defaultdict(list)
    for url in machine.urls_of(books.role):
        for entry in await _read_all(http, url + books.path):
            effect = books.effect(entry)
            found[effect.reference].append(effect)
    return dict(found)


async def _read_all(http: httpx.AsyncClient, url: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    while True:
        after = {"starting_after": rows[-1]["id"]} if rows else {}
        page = await _read(http, url, {"limit": str(_PAGE), **after})
        rows += page["data"]
        if not page["has_more"]:
            return rows


async def _read(http: httpx.AsyncClient, url: str, params: Mapping[str, str]) -> Any:
    deadline_s = asyncio.get_running_loop().time() + _AWAY_S_MAX
    while True:
        try:
            answer = await http.get(url, params=params)
        except httpx.TransportError as error:
            # Killed by the next round, perhaps.
            if asyncio.get_running_loop().time() > deadline_s:
                raise ProviderUnavailable(f"{url}: {error}.", code="books_away") from error
            await asyncio.sleep(_PAUSE_S)
        else:
            return answer.raise_for_status().json()


async def _wallet(platform: Platform, connection: Connection, account_id: str) -> Wallet:
    balance = await platform.ledger.balance(connection, account_id)
    return Wallet(balance.posted_minor, balance.posted_minor - balance.available_minor)


async def _operations(connection: Connection, customer_id: str) -> list[OperationRow]:
    takers = [load.taken_by for load in loads().values() if load.taken_by is not None]
    accounts = [system_account_id(taker, "USD") for taker in takers]
    refunds: defaultdict[str, list[RefundRow]] = defaultdict(list)
    for row in await connection.fetch(_REFUNDS, customer_id, accounts):
        refunds[row["refund_of"]].append(
            RefundRow(
                row["id"], row["status"], row["failure_code"], row["posted_minor"], row["messages"]
            )
        )
    return [
        OperationRow(
            row["id"],
            row["key"],
            row["status"],
            row["failure_code"],
            row["posted_minor"],
            row["messages"],
            tuple(refunds[row["id"]]),
        )
        for row in await connection.fetch(_OPERATIONS, customer_id, accounts)
    ]


_OPERATIONS: Final = """
SELECT o.id, coalesce(o.metadata->>'chaos_key', '') AS key, o.status,
       o.failure->>'code' AS failure_code,
       (SELECT coalesce(sum(t.amount_minor), 0)::bigint FROM ledger_transfers t
        WHERE t.operation_id = o.id AND t.kind IN ('posted', 'post_pending')
            AND t.debit_account_id = o.input->'request'->>'account_id'
            AND t.credit_account_id = ANY($2)) AS posted_minor,
       (SELECT coalesce(jsonb_object_agg(n.recipient, n.state), '{}') FROM notifications n
        WHERE n.operation_id = o.id) AS messages
FROM operations o WHERE o.customer_id = $1 AND o.refund_of IS NULL ORDER BY o.id
"""

_REFUNDS: Final = """
SELECT r.id, r.refund_of, r.status, r.failure->>'code' AS failure_code,
       (SELECT coalesce(sum(t.amount_minor), 0)::bigint FROM ledger_transfers t
        WHERE t.operation_id = r.id AND t.kind = 'posted'
            AND t.credit_account_id = r.input->'request'->>'account_id'
            AND t.debit_account_id = ANY($2)) AS posted_minor,
       (SELECT coalesce(jsonb_object_agg(n.recipient, n.state), '{}') FROM notifications n
        WHERE n.operation_id = r.id) AS messages
FROM operations r WHERE r.customer_id = $1 AND r.refund_of IS NOT NULL ORDER BY r.id
"""

_AGREED: Final = """
SELECT coalesce(sum(CASE WHEN t.debit_account_id = ANY($2) THEN t.amount_minor ELSE 0 END
                  - CASE WHEN t.credit_account_id = ANY($2) THEN t.amount_minor ELSE 0 END),
                0)::bigint
FROM ledger_transfers t JOIN operations o ON o.id = t.operation_id
WHERE o.customer_id <> $1 AND t.kind IN ('posted', 'post_pending')
    AND (t.debit_account_id = ANY($2) OR t.credit_account_id = ANY($2))
"""
