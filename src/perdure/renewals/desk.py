"""Where renewals are handed in: Perdure takes them, or the system it replaces, as a flag says.

Whoever hands one in sees no difference. The decision is made once, when a renewal is accepted, and
is kept with it: a flag that changes later moves nothing that is under way.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime

from perdure.core.errors import InvalidInput
from perdure.core.text import check_identifier
from perdure.flags.routing import Decision, EngineRouting, EngineVariant, keep_decisions
from perdure.legacy import queue
from perdure.operations.acceptance import Acceptance
from perdure.operations.lanes.store import ELSEWHERE
from perdure.operations.model import Operation
from perdure.renewals.acceptance import Outcome, RenewalAcceptance
from perdure.renewals.contracts import KIND, RenewalRequest
from perdure.renewals.legacy.way import WAY
from perdure.storage.pool import Connection


class RenewalDesk(Acceptance[RenewalRequest]):
    """Accepts renewals as `RenewalAcceptance` does, for either system."""

    def __init__(self, acceptance: RenewalAcceptance, routing: EngineRouting) -> None:
        self._acceptance = acceptance
        self._routing = routing

    def lane_for(self, request: RenewalRequest) -> int:
        """Return the lane of one of many renewals; as `RenewalAcceptance.lane_for`."""
        return self._acceptance.lane_for(request)

    @property
    def correctable(self) -> Mapping[str, str | None]:
        """The request's fields that can be corrected; as `RenewalAcceptance.correctable`."""
        return self._acceptance.correctable

    async def accept_many(
        self,
        connection: Connection,
        requests: Sequence[RenewalRequest],
        *,
        actor: str,
        metadata: dict[str, str] | None = None,
        lanes: Sequence[int | None] | None = None,
        deadline_at: datetime | None = None,
    ) -> list[Outcome]:
        """Store renewals; as `RenewalAcceptance.accept_many`.

        Args:
            lanes: Which lane carries each out that Perdure takes; None: a workflow of its own.
        """
        decisions = [await self._decide(request) for request in requests]
        asked = lanes or [None] * len(requests)
        outcomes = await self._acceptance.accept_many(
            connection,
            requests,
            actor=actor,
            metadata=metadata,
            lanes=[
                ELSEWHERE if decision.variant == EngineVariant.LEGACY else lane
                for decision, lane in zip(decisions, asked, strict=True)
            ],
            deadline_at=deadline_at,
        )
        taken = [
            (outcome, decision)
            for outcome, decision in zip(outcomes, decisions, strict=True)
            if isinstance(outcome, Operation)
        ]
        await keep_decisions(connection, [(found.id, decision) for found, decision in taken])
        elsewhere = {
            found.id: WAY.part(found.input) for found, _ in taken if found.lane == ELSEWHERE
        }
        if elsewhere:
            await queue.put(connection, KIND, WAY.first, elsewhere)
        return outcomes

    async def _decide(self, request: RenewalRequest) -> Decision:
        values, customer_id = {}, request.customer_id
        with suppress(InvalidInput):  # what is wrong is refused further on
            values["tld"] = self._acceptance.tld_of(request)
        with suppress(InvalidInput):
            customer_id = check_identifier("customer_id", customer_id)
        return await self._routing.decide(KIND, customer_id, values)
