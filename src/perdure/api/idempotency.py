"""Idempotency keys: a request sent again is answered as the first time, and does nothing more.

The key's row commits together with what the request did, so no crash comes between the two. A lock
that ends with its transaction keeps a second request with the key out meanwhile.
"""

import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, Final

import structlog
from fastapi import Depends, Header, Request
from pydantic import BaseModel
from starlette.responses import Response

from perdure.api.errors import problem_of
from perdure.core.errors import Conflict, IdempotencyMismatch, InvalidInput, PerdureError
from perdure.operations.also import NOTHING_ELSE, Also
from perdure.operations.service import OperationService
from perdure.storage.pool import Connection, Pool

log = structlog.get_logger()

KEY_LENGTH_MAX: Final = 255
KEPT_FOR: Final = timedelta(hours=24)
_PURGED_AT_ONCE: Final = 1000

_STORED_STATUSES: Final = frozenset({402})
"""Errors that are an answer.

After any other, nothing was done and the same request may fare better: it was wrong, came at the
wrong moment, or met what is wrong on our side.
"""


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and a JSON body, as sent."""

    status: int
    body: bytes
    replayed: bool = False

    @classmethod
    def of(cls, status: int, model: BaseModel, *, replayed: bool = False) -> "Answer":
        """Return the answer that carries this."""
        return cls(status, model.model_dump_json().encode(), replayed)

    def response(self) -> Response:
        """Return it as a response."""
        headers = {"Idempotent-Replayed": "true"} if self.replayed else {}
        return Response(self.body, self.status, headers, media_type="application/json")


Act = Callable[[Connection], Awaitable[Answer]]
"""Does what a request asks for, in the transaction it is given."""


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """A request's key, and what the request is.

    Args:
        fingerprint: Digest of method, path and body; the order of the body's fields is no matter.
    """

    value: str
    fingerprint: bytes


async def idempotency_key(
    request: Request,
    _documented: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            description="Makes it safe to send the request again: the first answer is kept for a"
            " day and given again. A UUID does well.",
        ),
    ] = None,
) -> IdempotencyKey | None:
    """Return the request's key; None: it has none.

    Raises:
        InvalidInput: `invalid_idempotency_key`: it came twice, or is not 1 to 255 printable
            characters.
    """
    values = request.headers.getlist("idempotency-key")
    if not values:
        return None
    if len(values) > 1:
        raise _invalid_key("Send one Idempotency-Key; this request has several.")
    value = values[0]
    if not (0 < len(value) <= KEY_LENGTH_MAX and value.isascii() and value.isprintable()):
        raise _invalid_key(f"Use 1 to {KEY_LENGTH_MAX} printable characters (ASCII).")
    return IdempotencyKey(
        value, fingerprint(request.method, request.url.path, await request.body())
    )


KeyOfRequest = Annotated[IdempotencyKey | None, Depends(idempotency_key)]


def fingerprint(method: str, path: str, body: bytes) -> bytes:
    """Return a digest of what a request asks for."""
    try:
        asked = json.dumps(json.loads(body), sort_keys=True, separators=(",", ":")).encode()
    except (ValueError, RecursionError):
        # It is not JSON, or not to be read: for whoever reads the body, and not the key, to say.
        asked = body
    return hashlib.sha256(f"{method}\n{path}\n".encode() + asked).digest()


Show = Callable[[Connection | Pool, Any], Awaitable[BaseModel]]
"""Returns the answer to what was done, given what the action answers."""


async def act_once(
    pool: Pool, once: "Once | None", act: Callable[[Also], Awaitable[Any]], show: Show
) -> Answer:
    """Do something to one operation, or give the answer that the request had before.

    Args:
        once: What is kept with it; None: the request is not the same as any other.
        act: Does it; what it is given happens in its transaction.

    Raises:
        Conflict, IdempotencyMismatch: As `answer_once`.
        PerdureError: Whatever `act` raises.
    """
    if once is None:
        return Answer.of(200, await show(pool, await act(NOTHING_ELSE)))
    try:
        await act(Also(after=once.keep, before=once.look, refused=once.keep_refusal))
    except _Known as known:
        return known.answer
    assert once.answer is not None, "an action that is done has run what was to happen with it"
    return once.answer


class _Known(Exception):
    """The request had this answer before."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.answer = answer


@dataclass(slots=True)
class Once:
    """A key beside an action.

    Args:
        owner: As in `answer_once`.
        request_id: As in `answer_once`.

    Attributes:
        answer: What was done is answered with; None: nothing was done yet.
    """

    owner: str
    key: IdempotencyKey
    request_id: str
    show: Show
    answer: Answer | None = None

    async def look(self, connection: Connection) -> None:
        """Keep others with the key out; end the action if it is done.

        Raises:
            Conflict, IdempotencyMismatch: As `answer_once`.
        """
        await _lock(connection, self.owner, self.key)
        if (stored := await _find(connection, self.owner, self.key)) is not None:
            raise _Known(stored)

    async def keep(self, connection: Connection, done: Any) -> None:
        """Keep the answer to what was done."""
        self.answer = Answer.of(200, await self.show(connection, done))
        await _store(connection, self.owner, self.key, self.answer)

    async def keep_refusal(self, connection: Connection, error: PerdureError) -> None:
        """Keep a refusal that is an answer."""
        problem = problem_of(error)
        if problem.status in _STORED_STATUSES:
            answer = Answer(problem.status, problem.body(self.request_id))
            await _store(connection, self.owner, self.key, answer)


async def answer_once(
    operations: OperationService,
    owner: str,
    key: IdempotencyKey | None,
    request_id: str,
    act: Act,
) -> Answer:
    """Do what a request asks for, or give the answer it had before.

    Args:
        owner: Whose key it is; two owners may use the same one.
        key: None: the request is not the same as any other.
        request_id: Named in an error that is kept.
        act: Its effects and the key's row commit together.

    Raises:
        Conflict: `idempotency_key_in_use`: the first request with the key is under way.
        IdempotencyMismatch: The key was used for another request.
        PerdureError: Whatever `act` raises, but for the refusals that are kept as the answer.
    """
    async with operations.transaction() as connection:
        if key is None:
            return await act(connection)
        await _lock(connection, owner, key)
        if (stored := await _find(connection, owner, key)) is not None:
            return stored
        answer = await _act(connection, act, request_id)
        await _store(connection, owner, key, answer)
        return answer


async def _store(connection: Connection, owner: str, key: IdempotencyKey, answer: Answer) -> None:
    await connection.execute(
        "INSERT INTO idempotency_keys (owner, key, fingerprint, status, body)"
        " VALUES ($1, $2, $3, $4, $5)",
        owner,
        key.value,
        key.fingerprint,
        answer.status,
        answer.body,
    )


async def _lock(connection: Connection, owner: str, key: IdempotencyKey) -> None:
    # A statement of its own: the next one then sees what the last holder committed.
    if not await connection.fetchval(
        "SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0))", f"{owner}\n{key.value}"
    ):
        raise Conflict(
            "A request with this Idempotency-Key is under way; wait for it, or ask again later.",
            code="idempotency_key_in_use",
        )


async def _find(connection: Connection, owner: str, key: IdempotencyKey) -> Answer | None:
    row = await connection.fetchrow(
        "SELECT fingerprint, status, body FROM idempotency_keys WHERE owner = $1 AND key = $2",
        owner,
        key.value,
    )
    if row is None:
        return None
    if row["fingerprint"] != key.fingerprint:
        raise IdempotencyMismatch(
            "This Idempotency-Key was used for another request; use a new key for a new request.",
            code="idempotency_key_reused",
        )
    return Answer(row["status"], row["body"], replayed=True)


async def _act(connection: Connection, act: Act, request_id: str) -> Answer:
    try:
        async with connection.transaction():
            return await act(connection)
    except Exception as error:
        problem = problem_of(error)
        if problem.status not in _STORED_STATUSES:
            raise
        return Answer(problem.status, problem.body(request_id))


async def purge(pool: Pool) -> int:
    """Delete keys that were kept long enough, at most a thousand; returns how many."""
    rows = await pool.fetch(
        "DELETE FROM idempotency_keys WHERE ctid = ANY(ARRAY("
        " SELECT ctid FROM idempotency_keys WHERE created_at < now() - $1::interval"
        " ORDER BY created_at LIMIT $2 FOR UPDATE SKIP LOCKED)) RETURNING 1",
        KEPT_FOR,
        _PURGED_AT_ONCE,
    )
    return len(rows)


def _invalid_key(message: str) -> InvalidInput:
    return InvalidInput(message, code="invalid_idempotency_key", param="Idempotency-Key")
