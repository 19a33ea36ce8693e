"""An erasure's steps: each can be done again, and goes on where it was broken off."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Final

from temporalio import activity

from perdure.capability.traces import Shared, Traces
from perdure.capability.words import Words
from perdure.core.erased import CUSTOMER_ERASED
from perdure.core.errors import Conflict, TurnPending
from perdure.durable.interceptors.operation_sync import records_its_attempts
from perdure.durable.later import Waking
from perdure.durable.payloads.keys import owned_by_customer, owned_by_operation
from perdure.erasures import kept_answers
from perdure.erasures.acceptance import account_ids, check_nothing_left
from perdure.erasures.contracts import (
    CLOSE,
    DELETE_KEYS,
    EMPTY_FIELDS,
    ERASE_MENTIONS,
    RETIRE_KEYS,
    SETTLE_DOWN,
    Erased,
    ErasureInput,
)
from perdure.erasures.emptying import (
    corrected_names,
    empty,
    forget,
    names_of,
    rid_of_bulks,
)
from perdure.erasures.places import ERASING, OF_ACCOUNTS, OF_OPERATIONS
from perdure.ledger.model import AccountStatus
from perdure.ledger.store import LedgerStore
from perdure.operations import store
from perdure.operations.bulk.model import KIND as BULK
from perdure.operations.model import Operation, Status
from perdure.operations.steps import StepTransaction, TransactionalSteps
from perdure.storage.pool import Connection, Pool, transaction

_BATCH: Final = 100
_AGAIN_S: Final = 2.0
"""How soon is looked again whether what came in at the last moment has ended."""

Body = Callable[[StepTransaction], Awaitable[Erased]]


class ErasureActivities:
    """Given what kinds keep, and how long a process knows a key.

    Args:
        waking: Has end what would begin some time later: it could not be read then.
        keys_known_s: So long after they are retired, nobody encrypts with a customer's keys.
        is_encrypted: Whether there are such keys.
    """

    def __init__(
        self,
        pool: Pool,
        steps: TransactionalSteps,
        ledger: LedgerStore[Connection],
        traces: Sequence[Traces],
        waking: Waking,
        *,
        keys_known_s: float,
        is_encrypted: bool,
    ) -> None:
        self._pool = pool
        self._steps = steps
        self._ledger = ledger
        self._traces = traces
        self._waking = waking
        self._keys_known_s = keys_known_s
        self._is_encrypted = is_encrypted

    @activity.defn(name=SETTLE_DOWN)
    @records_its_attempts
    async def settle_down(self, given: ErasureInput) -> Erased:
        """See that nothing is under way any more, then close the accounts and revoke the keys.

        Raises:
            TurnPending: Something came in at the last moment, or was waiting, and has not ended.
        """
        customer_id = given.request.customer_id
        await self._wake(customer_id)

        async def body(step: StepTransaction) -> Erased:
            connection = step.connection
            await _check_fence(connection, customer_id)
            try:
                await check_nothing_left(connection, self._ledger, self._traces, customer_id)
            except Conflict as error:
                raise TurnPending(error.message, code=error.code, retry_after_s=_AGAIN_S) from error
            for account_id in sorted(await account_ids(connection, customer_id)):
                await self._ledger.set_account_status(connection, account_id, AccountStatus.CLOSED)
            await connection.execute(
                "UPDATE api_keys SET revoked_at = coalesce(revoked_at, now())"
                " WHERE customer_id = $1",
                customer_id,
            )
            step.move(Status.PROCESSING, action="settled_down")
            return Erased()

        return await self._run(given, "settle_down", body, undoes=False)

    async def _wake(self, customer_id: str) -> None:
        async with self._pool.acquire() as connection:
            await _check_fence(connection, customer_id)
            found = [
                workflow_id
                for each in self._traces
                for workflow_id in await each.waiting(connection, customer_id)
            ]
        left = [one for one in found if not await self._waking.is_over(one, reason=CUSTOMER_ERASED)]
        if left:
            raise TurnPending(
                f"They have been woken, and have not ended: {', '.join(left)}.",
                code="waiting_workflows",
                retry_after_s=_AGAIN_S,
            )

    @activity.defn(name=ERASE_MENTIONS)
    @records_its_attempts
    async def erase_mentions(self, given: ErasureInput) -> Erased:
        """Take who the customer is out of all texts: reasons, messages, answers, metadata."""
        customer_id, rows = given.request.customer_id, 0
        words = Words(await self._names(customer_id))
        async for ids in self._ids(given):
            async with transaction(self._pool) as connection:
                await connection.execute(ERASING)
                for place in OF_OPERATIONS:
                    rows += await place.rid_of(connection, words, ids)
                rows += await rid_of_bulks(connection, words, ids)
        async with transaction(self._pool) as connection:
            accounts = await account_ids(connection, customer_id)
            for place in OF_ACCOUNTS:
                rows += await place.rid_of(connection, words, accounts)
            for each in self._traces:
                await each.erase(connection, customer_id, words)
            rows += await kept_answers.erase(connection, words, customer_id)
        return await self._run(given, "erase_mentions", _done(Erased(rows)))

    @activity.defn(name=EMPTY_FIELDS)
    @records_its_attempts
    async def empty_fields(self, given: ErasureInput) -> Erased:
        """Empty the fields that say who the customer is, its profile at the end."""
        customer_id, rows = given.request.customer_id, 0
        async for operations in self._operations(customer_id):
            async with transaction(self._pool) as connection:
                await connection.execute(ERASING)
                for operation in operations:
                    await empty(connection, await store.lock(connection, operation.id))
                await forget(connection, [operation.id for operation in operations])
                rows += len(operations)
        for shared in await self._shared(customer_id):
            async with transaction(self._pool) as connection:
                await connection.execute(ERASING)
                operation = await store.lock(connection, shared.operation_id)
                await empty(connection, operation, shared.fields)
                await forget(connection, [operation.id], shared.audiences)
                rows += 1

        async def body(step: StepTransaction) -> Erased:
            await step.connection.execute(
                "INSERT INTO profiles (customer_id, full_name, status) VALUES ($1, '', 'erased')"
                " ON CONFLICT (customer_id) DO UPDATE SET full_name = '', email = NULL,"
                " phone = NULL, birth_date = NULL, country = NULL, status = 'erased'",
                customer_id,
            )
            return Erased(rows)

        return await self._run(given, "empty_fields", body)

    @activity.defn(name=RETIRE_KEYS)
    @records_its_attempts
    async def retire_keys(self, given: ErasureInput) -> Erased:
        """Have nothing more be encrypted with the customer's keys."""
        owners = await self._owners(given.request.customer_id)

        async def body(step: StepTransaction) -> Erased:
            done = await step.connection.execute(
                "UPDATE payload_keys SET retired_at = now()"
                " WHERE owner = ANY($1) AND retired_at IS NULL",
                owners,
            )
            return Erased(int(done.rpartition(" ")[2]))

        return await self._run(given, "retire_keys", body)

    @activity.defn(name=DELETE_KEYS)
    @records_its_attempts
    async def delete_keys(self, given: ErasureInput) -> Erased:
        """Delete them: what Temporal keeps of the customer cannot be read any more.

        Raises:
            TurnPending: A process may still encrypt with one.
        """
        customer_id = given.request.customer_id
        owners = await self._owners(customer_id)

        async def body(step: StepTransaction) -> Erased:
            connection = step.connection
            wait_s = await connection.fetchval(
                "SELECT extract(epoch FROM max(retired_at) - clock_timestamp())::float8 + $2"
                " FROM payload_keys WHERE owner = ANY($1)",
                owners,
                self._keys_known_s,
            )
            if wait_s is not None and wait_s > 0:
                raise TurnPending(
                    "Processes may still know the customer's keys.",
                    code="keys_known",
                    retry_after_s=wait_s,
                )
            done = await connection.execute(
                "UPDATE payload_keys SET wrapped = NULL"
                " WHERE owner = ANY($1) AND wrapped IS NOT NULL",
                owners,
            )
            await connection.execute(
                "UPDATE erased_customers SET erased_at = now() WHERE customer_id = $1", customer_id
            )
            histories = "unreadable" if self._is_encrypted else "until Temporal's retention is over"
            keys = int(done.rpartition(" ")[2])
            step.move(
                Status.SUCCEEDED, action="erased", result={"keys": keys, "histories": histories}
            )
            return Erased(keys)

        return await self._run(given, "delete_keys", body)

    @activity.defn(name=CLOSE)
    @records_its_attempts
    async def close(self, given: ErasureInput) -> Erased:
        """Let the customer be: the erasure was called off before anything was done."""

        async def body(step: StepTransaction) -> Erased:
            await step.connection.execute(
                "DELETE FROM erased_customers WHERE customer_id = $1 AND operation_id = $2",
                given.request.customer_id,
                given.operation_id,
            )
            step.move(Status.CANCELLED, action="closed")
            return Erased()

        return await self._run(given, "close", body)

    async def _run(
        self, given: ErasureInput, step: str, body: Body, *, undoes: bool = True
    ) -> Erased:
        return await self._steps.run(
            given.operation_id, step, given, body, returns=Erased, undoes=undoes
        )

    async def _operations(self, customer_id: str) -> AsyncIterator[list[Operation]]:
        last: str | None = None
        while found := await store.find(
            self._pool, customer_id=customer_id, starting_after=last, limit=_BATCH
        ):
            yield found
            last = found[-1].id

    async def _ids(self, given: ErasureInput) -> AsyncIterator[list[str]]:
        """Yield the operations in which the customer may be named, some at a time."""
        customer_id = given.request.customer_id
        async for operations in self._operations(customer_id):
            yield [operation.id for operation in operations]
        shared = [one.operation_id for one in await self._shared(customer_id)]
        yield [*shared, given.operation_id]
        last: str | None = None
        while bulks := await store.find(self._pool, kind=BULK, starting_after=last, limit=_BATCH):
            yield [bulk.id for bulk in bulks]
            last = bulks[-1].id

    async def _shared(self, customer_id: str) -> list[Shared]:
        async with self._pool.acquire() as connection:
            return [
                one for each in self._traces for one in await each.shared(connection, customer_id)
            ]

    async def _owners(self, customer_id: str) -> list[str]:
        shared = await self._shared(customer_id)
        return [
            owned_by_customer(customer_id),
            *(owned_by_operation(one.operation_id) for one in shared),
        ]

    async def _names(self, customer_id: str) -> set[str]:
        """Return all texts that tell who the customer is, or whom it told of."""
        found: set[str] = set()
        async with self._pool.acquire() as connection:
            row = await connection.fetchrow(
                "SELECT full_name, email, phone, birth_date::text FROM profiles"
                " WHERE customer_id = $1",
                customer_id,
            )
            found.update(filter(None, row or ()))
            for each in self._traces:
                found |= await each.names(connection, customer_id)
        # Locked, what was archived is where it was, and stays there for long enough.
        for shared in await self._shared(customer_id):
            async with transaction(self._pool) as connection:
                operation = await store.lock(connection, shared.operation_id)
                found |= names_of(operation, shared.fields)
                found |= await corrected_names(connection, operation, shared.fields)
        async for operations in self._operations(customer_id):
            async with transaction(self._pool) as connection:
                for known in operations:
                    operation = await store.lock(connection, known.id)
                    found |= names_of(operation)
                    found |= await corrected_names(connection, operation)
        return found


async def _check_fence(connection: Connection, customer_id: str) -> None:
    """See that all has ended that began before nothing more was taken in.

    Raises:
        TurnPending: It has not.
    """
    if not await connection.fetchval(
        "SELECT pg_snapshot_xmin(pg_current_snapshot()) > begun_in FROM erased_customers"
        " WHERE customer_id = $1",
        customer_id,
    ):
        raise TurnPending(
            "A transaction from before may still take something in.",
            code="transactions_open",
            retry_after_s=_AGAIN_S,
        )


def _done(erased: Erased) -> Body:
    async def body(_: StepTransaction) -> Erased:
        return erased

    return body
