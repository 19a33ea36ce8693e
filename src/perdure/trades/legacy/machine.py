"""The old system's work on a trade: one try at what is next, written by compare-and-set.

The same trade as Perdure's, at the same services, under the same references, on the same books. It
is kept as it was: no workflow, no records of calls. What keeps it from doing anything twice is that
a turn is begun once, that a second try asks the service before it acts, and that no try begins
while the call of the one before it may still arrive.
"""

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import structlog

from perdure.capability.contracts import Failure
from perdure.capability.provider_effect import ProviderEffect
from perdure.core.errors import (
    InvalidInput,
    OperationCancelled,
    PerdureError,
    ProviderOutcomeUnknown,
    ProviderUnavailable,
    Refused,
)
from perdure.ledger.store import LedgerStore
from perdure.legacy import queue, trail
from perdure.legacy.ending import ACTOR, fail, succeed
from perdure.legacy.queue import RUN_S_MAX, Turn, TurnLost
from perdure.operations import model, store
from perdure.operations.agreement import Expected, agreed
from perdure.operations.model import Status
from perdure.operations.provider_call_records import LEASE_MARGIN_S
from perdure.operations.steps import TransactionalSteps, from_json, to_json
from perdure.storage.pool import Connection, Pool, transaction
from perdure.trades.asset_calls import DELIVERED, block_at, delivery_says
from perdure.trades.contracts import ASSETS, KIND, Blocked, CloseTrade, SettleTrade, TradeInput
from perdure.trades.funding import FUNDED, TradeFunds
from perdure.trades.legacy.states import BACK, NEXT, InternalStatus
from perdure.trades.messages import failure_messages
from perdure.trades.orders.reservations import return_lots
from perdure.trades.rules import check_stands
from perdure.trades.services.assets import AssetService, BlockedAsset
from perdure.trades.services.wallets import WalletService
from perdure.trades.wallet_calls import money_at

log = structlog.get_logger()

_AGAIN_S: Final = 2.0
_AGAIN_S_MAX: Final = 600.0
"""It tries for ever, and more and more seldom; the drain view shows what fails."""

Effect = ProviderEffect[TradeInput, Any, Any]


@dataclass(frozen=True, slots=True)
class Answered:
    """What a service answered.

    Args:
        kept: What later steps need of it; None: nothing.
        said: Of what was asked, as the service tells of what it did; None: it did nothing. It is on
            the trail, and is what Perdure's own way is compared with.
    """

    kept: Any = None
    said: Mapping[str, Any] | None = None


class LegacyTrades:
    """Given the database and both services.

    Args:
        timeout_s: The longest one call to a service takes, in seconds.
        run_s: For how long a runner has a turn; see `queue.RUN_S_MAX`.
    """

    def __init__(
        self,
        pool: Pool,
        ledger: LedgerStore[Connection],
        assets: AssetService,
        wallets: WalletService,
        *,
        timeout_s: float,
        run_s: float = RUN_S_MAX,
    ) -> None:
        self._pool = pool
        self._ledger = ledger
        self._assets = assets
        self._funds = TradeFunds(pool, TransactionalSteps(pool), ledger)
        self._call_s = timeout_s + LEASE_MARGIN_S
        self._run_s = run_s
        block, money = block_at(assets), money_at(wallets)
        self._calls: Mapping[InternalStatus, Callable[[Turn, TradeInput], Awaitable[Answered]]] = {
            InternalStatus.BLOCK_ASSET: self._making(block, code="asset_not_blocked"),
            InternalStatus.MOVE_MONEY: self._making(money, code="money_not_moved"),
            InternalStatus.DELIVER_ASSET: self._deliver,
            InternalStatus.RETURN_MONEY: self._taking_back(money),
            InternalStatus.UNBLOCK_ASSET: self._taking_back(block),
        }

    async def due(self, *, limit: int) -> list[Turn]:
        """Give out turns at what is due, to be sent to runners: the only source of retries."""
        return await queue.take(self._pool, KIND, limit=limit, sends=True, run_s=self._run_s)

    async def advance(self, turn: Turn) -> Turn | None:
        """Use a turn; returns that at what follows, to be sent; None: nothing follows now."""
        try:
            await queue.begin(self._pool, turn, run_s=self._run_s)
            return await self._advance(turn)
        except TurnLost as error:
            log.info("legacy_turn_lost", operation_id=turn.operation_id, reason=error.message)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is tried again
            log.info("legacy_trade_failed", operation_id=turn.operation_id, error=repr(error))
            await self._put_back(turn, error)
        return None

    async def _put_back(self, turn: Turn, error: Exception) -> None:
        after_s = min(_AGAIN_S * turn.attempt, _AGAIN_S_MAX)
        if isinstance(error, ProviderOutcomeUnknown) and error.in_flight:
            after_s = max(after_s, self._call_s)
        message = error.message if isinstance(error, PerdureError) else repr(error)
        try:
            await queue.put_back(self._pool, turn, message, after_s=after_s)
        except TurnLost as lost:
            log.info("legacy_turn_lost", operation_id=turn.operation_id, reason=lost.message)

    async def _advance(self, turn: Turn) -> Turn | None:
        begun_at = time.monotonic()
        operation = await store.get(self._pool, turn.operation_id)
        trade, status = from_json(TradeInput, operation.input), InternalStatus(turn.internal_status)
        if status is InternalStatus.SETTLE:
            await self._settle(turn, trade)
            return None
        if status is InternalStatus.CLOSE:
            await self._close(turn, trade)
            return None
        try:
            if operation.cancel_request is not None and status in BACK:
                raise OperationCancelled(operation.cancel_request.reason)
            if time.monotonic() - begun_at > self._run_s - 2 * self._call_s:
                raise ProviderUnavailable("It was held up here, and nothing was called.")
            return await self._go_on(turn, await self.call(turn, trade))
        except (Refused, InvalidInput) as error:
            if status not in BACK:
                raise
            return await self._turn_back(turn, trade, status, error)

    async def call(self, turn: Turn, trade: TradeInput) -> Answered:
        """Have a service do what is next, and write nothing of it."""
        return await self._calls[InternalStatus(turn.internal_status)](turn, trade)

    async def _go_on(self, turn: Turn, answered: Answered) -> Turn:
        status = InternalStatus(turn.internal_status)
        async with transaction(self._pool) as connection:
            operation = await store.lock(connection, turn.operation_id)
            following = await queue.go_on(
                connection, turn, NEXT[status], run_s=self._run_s, done=to_json(answered.kept)
            )
            action, data = status + trail.DONE, trail.done(turn.attempt, answered.said)
            if operation.status == Status.PENDING:
                await store.move(
                    connection, operation, Status.PROCESSING, action=action, actor=ACTOR, data=data
                )
            else:
                await store.note(connection, operation, action=action, actor=ACTOR, data=data)
        return following

    async def _turn_back(
        self, turn: Turn, trade: TradeInput, status: InternalStatus, error: PerdureError
    ) -> Turn:
        """Have what was done be undone, unless it was delivered after all."""
        if status is InternalStatus.DELIVER_ASSET:
            found = await self._assets.find_block(turn.operation_id)
            if found is not None and found.status == DELIVERED:
                return await self._go_on(turn, _delivered(found, trade))
        async with transaction(self._pool) as connection:
            operation = await store.lock(connection, turn.operation_id)
            following = await queue.go_on(connection, turn, BACK[status], run_s=self._run_s)
            await store.move(
                connection,
                operation,
                Status.REVERSING,
                action="reversal_begun",
                actor=ACTOR,
                failure=model.Failure(error.code, error.message, status.value),
                data=trail.failed(turn.attempt, status),
            )
        return following

    def _making(self, effect: Effect, *, code: str) -> Callable[..., Awaitable[Any]]:
        """Return what has a service do its part, and asks first where that may be done already."""

        async def make(turn: Turn, trade: TradeInput) -> Answered:
            said = await effect.find(turn.operation_id) if turn.attempt > 1 else None
            if said is None:
                said = await effect.ask(trade)
            says = {"reference": turn.operation_id, **effect.says(trade)}
            Expected(effect.provider, says, {"status": effect.statuses.known}).check(said)
            check_stands(said.status, effect.statuses.stands, code=code)
            told = {name: getattr(said, name) for name in ("reference", *effect.says(trade))}
            return Answered(effect.outcome(said), told)

        return make

    def _taking_back(self, effect: Effect) -> Callable[..., Awaitable[Any]]:
        """Return what has a service undo its part, if it did it."""

        async def take_back(turn: Turn, _: TradeInput) -> Answered:
            found = await effect.find(turn.operation_id)
            if found is None:
                return Answered()
            if found.status == effect.statuses.undone:
                return Answered(effect.outcome(found), {"reference": found.reference})
            wanted = effect.statuses.after_taking_back(found.status)
            says = {"reference": turn.operation_id, "status": wanted}
            expected = Expected(effect.provider, says)
            taken = await effect.take_back(turn.operation_id)
            done = await agreed(expected, taken, lambda: effect.find(turn.operation_id))
            return Answered(effect.outcome(done), {"reference": done.reference})

        return take_back

    async def _deliver(self, turn: Turn, trade: TradeInput) -> Answered:
        recipient = trade.request.buyer_account_id
        said = await self._assets.deliver(reference=turn.operation_id, recipient=recipient)
        says = {**delivery_says(trade), "status": DELIVERED}
        Expected(ASSETS, says).check(said)
        return _delivered(said, trade)

    async def _settle(self, turn: Turn, trade: TradeInput) -> None:
        done = await queue.done_of(self._pool, turn.operation_id)
        delivered = from_json(Blocked, done[InternalStatus.DELIVER_ASSET])
        given = SettleTrade(trade, delivered)
        success = FUNDED.success(given)
        async with transaction(self._pool) as connection:
            operation = await store.lock(connection, turn.operation_id)
            await self._funds.post(connection, given)
            await succeed(
                connection,
                turn,
                operation,
                success.messages,
                action="settled",
                result=success.result,
            )

    async def _close(self, turn: Turn, trade: TradeInput) -> None:
        async with transaction(self._pool) as connection:
            operation = await store.lock(connection, turn.operation_id)
            assert operation.failure is not None, "nothing went wrong with it"
            code, message = operation.failure.code, operation.failure.message
            failure = Failure(code, message, cancelled=code == OperationCancelled.code)
            messages = failure_messages(CloseTrade(trade, failure))
            await fail(connection, turn, operation, messages, failure=failure, ledger=self._ledger)
            await return_lots(connection, trade)


def _delivered(block: BlockedAsset, trade: TradeInput) -> Answered:
    told = {name: getattr(block, name) for name in delivery_says(trade)}
    return Answered(Blocked(block.id, block.status), told)
