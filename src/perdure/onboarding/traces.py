"""What onboardings keep of a customer beside operations: what is still to come, by a timer."""

from perdure.capability.traces import Traces
from perdure.capability.words import Words
from perdure.identity.contracts import recheck_workflow_id
from perdure.onboarding.contracts import KIND, follow_up_workflow_id
from perdure.storage.pool import Connection


class OnboardingTraces(Traces):
    """As `Traces` has it."""

    async def waiting(self, connection: Connection, customer_id: str) -> list[str]:
        """Return the follow-ups, and the checks that are made again as an approval ends."""
        rows = await connection.fetch(
            "SELECT o.id, coalesce(i.again, 0) + (SELECT count(*) FROM operation_trail t"
            "   WHERE t.operation_id = o.id AND t.action = 'identity_approved') AS approvals"
            " FROM operations o LEFT JOIN identities i"
            "   ON i.customer_id = $1 AND i.operation_id = o.id"
            " WHERE o.customer_id = $1 AND o.kind = $2 AND o.status = 'succeeded'",
            customer_id,
            KIND,
        )
        return [
            workflow_id
            for row in rows
            for workflow_id in (
                follow_up_workflow_id(row["id"]),
                # The archive may have the trail; then the row knows of the last one.
                *(recheck_workflow_id(row["id"], n + 1) for n in range(row["approvals"] + 1)),
            )
        ]

    async def erase(self, connection: Connection, customer_id: str, words: Words) -> None:  # noqa: ARG002
        """Have nobody be followed up, or checked again when an approval ends."""
        await connection.execute(
            "UPDATE onboardings SET follow_up_at = NULL WHERE customer_id = $1", customer_id
        )
        await connection.execute(
            "UPDATE identities SET approved_until = NULL WHERE customer_id = $1", customer_id
        )
