"""Checks that are made again because an approval ends."""

from temporalio import activity
from temporalio.client import Client

from perdure.durable.interceptors.operation_sync import records_its_attempts
from perdure.durable.later import begin_at
from perdure.durable.queues import OPERATIONS, QueueNames
from perdure.identity import store as identities
from perdure.identity.contracts import (
    END_RECHECK,
    IDENTITY,
    RECHECK_WORKFLOW,
    CheckOptions,
    IdentityCheck,
    RecheckEnd,
    recheck_workflow_id,
)
from perdure.operations import store
from perdure.operations.attempts import current_attempt, record_attempt
from perdure.profiles import store as profiles
from perdure.profiles.model import ProfileStatus
from perdure.storage.pool import Pool, transaction

_BATCH = 200
LAPSED = "identity_lapsed"
STUCK = "identity_recheck_stuck"


class Rechecks:
    """Has a workflow of its own check again when an approval ends."""

    def __init__(
        self, pool: Pool, client: Client, queues: QueueNames, options: CheckOptions
    ) -> None:
        self._pool = pool
        self._client = client
        self._queues = queues
        self._options = options

    async def look(self) -> int:
        """Begin the workflow of those that have none; returns how many there were."""
        found = await identities.lapsing(self._pool, limit=_BATCH)
        for one in found:
            assert one.approved_until is not None
            again = one.again + 1
            # An erasure waits for transactions that may not have seen it, and then looks.
            async with transaction(self._pool) as connection:
                if not await identities.is_lapsing(connection, one):
                    continue
                await begin_at(
                    self._client,
                    RECHECK_WORKFLOW,
                    IdentityCheck(one.operation_id, one.customer_id, self._options, again=again),
                    workflow_id=recheck_workflow_id(one.operation_id, again),
                    queue=self._queues[OPERATIONS],
                    at=one.approved_until,
                )
                await identities.mark_recheck_started(connection, one)
        return len(found)


class RecheckActivities:
    """What follows from a check that was made again."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @activity.defn(name=END_RECHECK)
    @records_its_attempts
    async def end_recheck(self, end: RecheckEnd) -> None:
        """Have the trail say how it ended; who is not approved any more is no active customer.

        Accounts stay as they are: what becomes of the money is for a person to decide.
        """
        check = end.check
        async with transaction(self._pool) as connection:
            operation = await store.lock(connection, check.operation_id)
            person = await profiles.get_profile(connection, check.customer_id)
            await record_attempt(
                connection, operation.id, current_attempt("end_recheck"), outcome="succeeded"
            )
            if person.status != ProfileStatus.ACTIVE:
                return
            if end.is_final:
                await profiles.close_profile(connection, check.customer_id)
                actor, action = store.SYSTEM, LAPSED
            else:
                actor, action = IDENTITY, STUCK
            await store.note(
                connection,
                operation,
                actor=actor,
                action=action,
                reason=end.message,
                data={"code": end.code},
            )
