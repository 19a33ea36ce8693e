"""Whose key encrypts what: a key for each customer, kept wrapped beside the operations.

An operation of several customers, or of none, has a key of its own; what belongs to no operation
(lanes, deliveries) has the platform's.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import asyncpg

from perdure.core.errors import PayloadUnreadable
from perdure.core.ids import PAYLOAD_KEY, new_id
from perdure.durable.payloads.ring import Cipher, KeyRing, Wrapped
from perdure.operations.model import HOUSE
from perdure.storage.group_commit import GroupCommit
from perdure.storage.pool import Pool

PLATFORM: Final = "platform"
"""The owner of what belongs to no operation."""

KNOWN_MAX: Final = 20_000
"""How many keys, and how many operations' owners, a process remembers."""

_COLUMNS: Final = "id, owner, master, wrapped, retired_at"

Value = TypeVar("Value")


def owned_by_customer(customer_id: str) -> str:
    """Return how the key of a customer is found."""
    return f"customer:{customer_id}"


def owned_by_operation(operation_id: str) -> str:
    """Return how the key of an operation is found that is several customers', or none's."""
    return f"operation:{operation_id}"


@dataclass(frozen=True, slots=True)
class _Key:
    """A row of `payload_keys`, as it was read.

    Args:
        cipher: None: it was deleted.
        is_retired: Nothing more is encrypted with it.
    """

    cipher: Cipher | None
    is_retired: bool
    read_at_s: float


class DataKeys:
    """Finds the key of an operation, or of a payload; makes it where there is none.

    Args:
        known_s: How long a key is known before it is asked for again: so long after it was deleted,
            no process has it any more.
    """

    def __init__(
        self,
        pool: Pool,
        ring: KeyRing,
        *,
        known_s: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pool = pool
        self._ring = ring
        self._known_s = known_s
        self._clock = clock
        self._keys: OrderedDict[str, _Key] = OrderedDict()
        self._id_of_owner: OrderedDict[str, str] = OrderedDict()
        self._owner_of: OrderedDict[str, str] = OrderedDict()
        self._found: GroupCommit[str, _Key | None] = GroupCommit(self._find)
        self._owned: GroupCommit[str, str | None] = GroupCommit(self._find_owners)

    async def of_operation(self, operation_id: str | None) -> Cipher:
        """Return what encrypts an operation's payloads; None: those of none.

        Of a customer that was erased it is the platform's: what is still to be done for one (a
        charge that succeeded late is given back) holds nothing of theirs.

        Raises:
            PayloadUnreadable: Its master key is not here, or is another one.
        """
        if operation_id is not None:
            owner = self._owner_of.get(operation_id)
            if owner is None and (owner := await self._owned.submit(operation_id)) is not None:
                _remember(self._owner_of, operation_id, owner)
            if owner is not None and (cipher := await self._of_owner(owner)) is not None:
                return cipher
        cipher = await self._of_owner(PLATFORM)
        assert cipher is not None, "the platform's key is never retired"
        return cipher

    async def of_customer(self, customer_id: str) -> Cipher | None:
        """Return what encrypts what is a customer's; None: the customer was erased."""
        return await self._of_owner(owned_by_customer(customer_id))

    async def by_id(self, key_id: str) -> Cipher:
        """Return what decrypts a payload.

        Raises:
            PayloadUnreadable: The key was deleted, is none of this database's, or cannot be
                unwrapped here.
        """
        key = await self._key(key_id)
        if key is None:
            raise PayloadUnreadable(
                f"There is no key {key_id} in this database: the payload is another"
                " installation's.",
                code="payload_key_unknown",
            )
        if key.cipher is None:
            raise PayloadUnreadable(
                f"The key {key_id} was deleted, as whose it was has been erased.",
                code="payload_key_erased",
            )
        return key.cipher

    async def _of_owner(self, owner: str) -> Cipher | None:
        """Return what encrypts for an owner; None: its key is retired."""
        key_id = self._id_of_owner.get(owner) or await self._made(owner)
        key = await self._key(key_id)
        assert key is not None, "keys' rows are never deleted"
        return None if key.is_retired else key.cipher

    async def _made(self, owner: str) -> str:
        """Return the id of an owner's key, which is made if there is none."""
        key_id = new_id(PAYLOAD_KEY)
        wrapped = self._ring.new_key(key_id)
        row = await self._pool.fetchrow(
            "INSERT INTO payload_keys (id, owner, master, wrapped) VALUES ($1, $2, $3, $4)"
            f" ON CONFLICT (owner) DO NOTHING RETURNING {_COLUMNS}",
            key_id,
            owner,
            wrapped.master,
            wrapped.secret,
        ) or await self._pool.fetchrow(
            f"SELECT {_COLUMNS} FROM payload_keys WHERE owner = $1", owner
        )
        assert row is not None, "keys' rows are never deleted"
        self._known(row)
        return str(row["id"])

    async def _key(self, key_id: str) -> _Key | None:
        key = self._keys.get(key_id)
        if key is not None and self._clock() - key.read_at_s <= self._known_s:
            return key
        return await self._found.submit(key_id)

    async def _find(self, key_ids: list[str]) -> Sequence[_Key | None]:
        rows = await self._pool.fetch(
            f"SELECT {_COLUMNS} FROM payload_keys WHERE id = ANY($1)", key_ids
        )
        found = {row["id"]: self._known(row) for row in rows}
        return [found.get(key_id) for key_id in key_ids]

    def _known(self, row: asyncpg.Record) -> _Key:
        """Remember a key as it was read."""
        wrapped = row["wrapped"]
        cipher = (
            self._ring.unwrap(row["id"], Wrapped(row["master"], wrapped))
            if wrapped is not None
            else None
        )
        key = _Key(cipher, row["retired_at"] is not None, self._clock())
        _remember(self._keys, row["id"], key)
        _remember(self._id_of_owner, row["owner"], row["id"])
        return key

    async def _find_owners(self, operation_ids: list[str]) -> Sequence[str | None]:
        rows = await self._pool.fetch(_OWNERS, operation_ids, HOUSE)
        for row in rows:
            if row["id"] is not None:
                self._known(row)
        owners = {row["operation_id"]: row["owned_by"] for row in rows}
        return [owners.get(operation_id) for operation_id in operation_ids]


_OWNERS: Final = """
SELECT operation_id, owned_by, id, owner, master, wrapped, retired_at
FROM (SELECT id AS operation_id, CASE customer_id WHEN $2 THEN 'operation:' || id
        ELSE 'customer:' || customer_id END AS owned_by FROM operations WHERE id = ANY($1)) AS asked
    LEFT JOIN payload_keys ON owner = owned_by
"""
"""Whose operations are, as `owned_by_operation` and `owned_by_customer` say, and their keys."""


def _remember(known: OrderedDict[str, Value], name: str, value: Value) -> None:
    known[name] = value
    if len(known) > KNOWN_MAX:
        known.popitem(last=False)
