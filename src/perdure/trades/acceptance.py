"""Taking trades in: many in the commit of the fills that made them, each with the buyer's money.

Nobody asks for a trade but the asset's writer. What it has matched is agreed, so nothing of it is
looked at again here but the money, which is there: in that commit, before this, the buyer's order
gives up of its hold what each of its trades then holds.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from perdure.core.errors import Conflict, PerdureError
from perdure.core.ids import new_id
from perdure.core.notes import correctable
from perdure.core.telemetry import telemetry
from perdure.flags.routing import Decision, EngineRouting, EngineVariant, keep_decisions
from perdure.ledger.model import NewTransfer
from perdure.ledger.store import LedgerStore
from perdure.legacy import queue
from perdure.notifications.rules import check_party
from perdure.operations.acceptance import accept_many
from perdure.operations.correction import Corrects
from perdure.operations.lanes.store import ELSEWHERE
from perdure.operations.model import HOUSE, NewOperation, Operation
from perdure.operations.steps import to_json
from perdure.storage.pool import Connection
from perdure.trades.contracts import ID_PREFIX, KIND, TradeInput, TradeRequest
from perdure.trades.funding import FUNDED
from perdure.trades.legacy.way import WAY

_CORRECTABLE: Final = correctable(TradeRequest)
WRITER: Final = "matcher"
"""The actor of what the asset's writer does."""
HoldMany = Callable[[Sequence[NewTransfer]], Awaitable[frozenset[str]]]
"""Sets money aside; returns the ids of what it wrote."""


class TradeAcceptance(Corrects[TradeRequest]):
    """Stores trades, and offers them to be corrected; see `KindActions`.

    Args:
        routing: Says which system takes each; the decision is stored with it, and asked once.
    """

    request_type = TradeRequest
    correctable = _CORRECTABLE

    def __init__(self, ledger: LedgerStore[Connection], routing: EngineRouting) -> None:
        self._ledger = ledger
        self._routing = routing

    async def accept_trades(
        self,
        connection: Connection,
        trades: Sequence[TradeRequest],
        *,
        lanes: Sequence[int | None] | None = None,
        traceparents: Sequence[str | None] | None = None,
        hold_many: HoldMany | None = None,
    ) -> list[Operation]:
        """Store trades, and set each one's money aside; returns them in their order.

        A trade that is known by its asset and number is the stored one. Once this is committed,
        each is begun as any operation: `OperationService.begin`.

        Args:
            connection: With the transaction open in which the buyers' orders have given up their
                shares.
            lanes: Which lane carries each out, as `Kinds.lane_in` and `lane_for` say; None: a
                workflow of its own. What the flag sends elsewhere is in none.
            traceparents: Of the traces that they are part of: those of the orders that made them.
            hold_many: Sets the money of all aside, with whatever has to happen in the same go;
                None: as `LedgerStore.hold_many` does.

        Raises:
            Refused, NotFound, InvalidInput, InsufficientFunds: The ledger does not hold the money
                of one of them; nothing of any of them is to be committed.
        """
        decisions = [await self._decide(request) for request in trades]
        asked = lanes or [None] * len(trades)
        traces = traceparents or [None] * len(trades)
        new = [
            _new_operation(
                request, ELSEWHERE if decision.variant == EngineVariant.LEGACY else lane, trace
            )
            for request, decision, lane, trace in zip(trades, decisions, asked, traces, strict=True)
        ]
        found = [_stored(one) for one in await accept_many(connection, new, actor=WRITER)]
        made = {one.id for one in new}
        await self._hold(
            connection,
            [
                TradeInput(operation.id, request)
                for operation, request in zip(found, trades, strict=True)
                if operation.id in made
            ],
            hold_many or partial(self._ledger.hold_many, connection),
        )
        elsewhere = {one.id: WAY.part(one.input) for one in found if one.lane == ELSEWHERE}
        if elsewhere:
            await queue.put(connection, KIND, WAY.first, elsewhere)
        await keep_decisions(
            connection,
            [(one.id, decision) for one, decision in zip(found, decisions, strict=True)],
        )
        return found

    async def _decide(self, request: TradeRequest) -> Decision:
        values = {
            "asset": request.asset,
            "account": [request.buyer_account_id, request.seller_account_id],
        }
        return await self._routing.decide(KIND, request.buyer_customer_id, values)

    async def _hold(
        self, connection: Connection, trades: Sequence[TradeInput], hold_many: HoldMany
    ) -> None:
        holds = [FUNDED.new_hold(FUNDED.funds(trade)) for trade in trades]
        held = await hold_many(holds)
        for hold in holds:
            if hold.id not in held:
                await self._ledger.hold(connection, hold)  # says why not

    def check_request(self, request: TradeRequest) -> TradeRequest:
        """Return the form a request is kept in; see `Corrects`."""
        return replace(
            request,
            buyer=check_party("buyer", request.buyer),
            seller=check_party("seller", request.seller),
        )

    async def accept_again(
        self,
        connection: Connection,  # noqa: ARG002 - as `KindActions` has it
        operation: Operation,
        *,
        actor: str,  # noqa: ARG002
        lane: int | None = None,  # noqa: ARG002
    ) -> Operation:
        """Refuse: what was undone is no longer agreed.

        Raises:
            Conflict: `not_relaunchable`.
        """
        raise Conflict(
            f"{operation.id} was undone, and each side is free again; new orders make a new trade.",
            code="not_relaunchable",
            param="id",
        )


def _new_operation(
    request: TradeRequest, lane: int | None, traceparent: str | None
) -> NewOperation:
    trade_id = new_id(ID_PREFIX)
    facts = {"operation_id": trade_id, "kind": KIND}
    with telemetry().following(traceparent), telemetry().span("match", facts):
        return NewOperation(
            id=trade_id,
            kind=KIND,
            # Two customers are in it, and neither acts on it by itself.
            customer_id=HOUSE,
            input=to_json(TradeInput(trade_id, request)),
            reference=request.name,
            lane=lane,
            traceparent=telemetry().traceparent() or traceparent,
        )


def _stored(outcome: Operation | PerdureError) -> Operation:
    if isinstance(outcome, PerdureError):
        raise outcome
    return outcome
