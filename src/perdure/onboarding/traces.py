"""What onboardings keep of a customer beside operations: what is still to come, by a timer."""

from perdure.capability.traces import Traces
from perdure.capability.words import Words
from perdure.onboarding.contracts import follow_up_workflow_id
from perdure.storage.pool import Connection


class OnboardingTraces(Traces):
    """As `Traces` has it."""

    async def left_open(self, connection: Connection, customer_id: str) -> list[str]:
        """Return the follow-up that is still to come: its workflow has the customer's key."""
        rows = await connection.fetch(
            "SELECT operation_id FROM onboardings"
            " WHERE customer_id = $1 AND follow_up_begun_at IS NOT NULL AND follow_up_at > now()",
            customer_id,
        )
        return [follow_up_workflow_id(row["operation_id"]) for row in rows]

    async def erase(self, connection: Connection, customer_id: str, words: Words) -> None:  # noqa: ARG002
        """Have nobody be followed up, or checked again when an approval ends."""
        await connection.execute(
            "UPDATE onboardings SET follow_up_at = NULL WHERE customer_id = $1", customer_id
        )
        await connection.execute(
            "UPDATE identities SET approved_until = NULL WHERE customer_id = $1", customer_id
        )
