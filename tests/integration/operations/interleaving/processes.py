"""A worker process with all that it keeps in memory, and a transfer's own workflow in it."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Final, TypeVar

from perdure.core.errors import (
    ANSWERS,
    OperationParked,
    PerdureError,
    ProviderDisagrees,
    ProviderError,
    Refused,
)
from perdure.core.turns import Permit
from perdure.ledger.store_postgres import PostgresLedger
from perdure.notifications.activities import NotificationActivities
from perdure.notifications.contracts import Channel
from perdure.operations.first_tries import FirstTries
from perdure.operations.provider_calls import ProviderCalls
from perdure.operations.steps import TransactionalSteps
from perdure.providers.mail import Mail
from perdure.storage.pool import Pool
from perdure.transfers import contracts
from perdure.transfers.activities import TransferBankActivities, TransferLedgerActivities
from perdure.transfers.at_once import TransferAtOnceActivities
from perdure.transfers.contracts import (
    CloseTransfer,
    PayoutOutcome,
    SettleTransfer,
    TransferEnd,
    TransferFailure,
    TransferInput,
)
from perdure.transfers.lane import TransferLane
from perdure.transfers.process import run_transfer

from .gates import GatedPool, Gates, Life
from .outside import TIMEOUT_S, Bank, BankClient, Clock, Sms, SmsClient

Result = TypeVar("Result")

TRIES_MAX: Final = 5


class NoMail:
    """Nobody in this world has a mail address."""

    async def send(self, mail: Mail) -> None:
        raise AssertionError(mail)

    async def was_sent(self, message_id: str) -> bool | None:
        raise AssertionError(message_id)


def _no_limit(_provider: str) -> AbstractAsyncContextManager[Permit]:
    return nullcontext(Permit())


class Process:
    """A worker process, with all that it keeps in memory."""

    def __init__(
        self, name: str, pool: Pool, *, gates: Gates, clock: Clock, bank: Bank, sms: Sms
    ) -> None:
        self.life = Life(name)
        self.pool = GatedPool(pool, gates, self.life).as_pool()
        steps = TransactionalSteps(self.pool)
        calls = ProviderCalls(self.pool, clock=clock)

        def first_tries() -> FirstTries:
            return FirstTries(pause_s=0, clock=lambda: clock().timestamp())

        bank_tries = first_tries()
        self.ledger = TransferLedgerActivities(self.pool, steps, PostgresLedger())
        self.bank = TransferBankActivities(
            calls,
            steps,
            BankClient(bank, self.life),
            first_tries=bank_tries,
            timeout_s=TIMEOUT_S,
        )
        self.messages = NotificationActivities(
            self.pool,
            calls,
            NoMail(),
            SmsClient(sms, self.life),
            first_tries={channel: first_tries() for channel in Channel},
            sender="perdure@example.com",
            timeout_s=TIMEOUT_S,
        )
        deliver = self.messages.deliver_now
        self.lane = TransferLane(self.ledger, self.bank, deliver, _no_limit)
        self.at_once = TransferAtOnceActivities(
            self.ledger, self.bank, deliver, bank_tries, _no_limit
        )


class OwnScript:
    """A transfer's steps as its own workflow runs them, without Temporal.

    What Temporal would try again is tried again, after the time it would wait.

    Args:
        wait: Waits as long as an error asks for.
    """

    def __init__(self, process: Process, wait: Callable[[Exception], Awaitable[None]]) -> None:
        self._process = process
        self._wait = wait

    async def run(self, transfer: TransferInput) -> None:
        """Carry a transfer to its end: in one go if nothing is in the way, else step by step."""
        done = await self._process.at_once.run_at_once(transfer)
        if done.end is not None:
            await self.notify(done.untold)
        else:
            await run_transfer(transfer, self)

    async def hold_funds(self, transfer: TransferInput) -> None:
        await self._until_answered(lambda: self._process.ledger.hold_funds(transfer))

    async def pay_out(self, transfer: TransferInput) -> PayoutOutcome:
        bank, tries = self._process.bank, 0
        while tries < TRIES_MAX:
            try:
                return await bank.pay_out(transfer)
            except OperationParked as error:
                await self._wait(error)
            except ProviderDisagrees:
                break
            except ProviderError as error:
                tries += 1
                await self._wait(error)
        resolution = await self._until_answered(lambda: bank.resolve_payout(transfer))
        if resolution.payout is None:
            raise Refused("The bank cannot be reached.", code="bank_unavailable")
        return resolution.payout

    async def settle(self, transfer: TransferInput, payout: PayoutOutcome) -> TransferEnd:
        given = SettleTransfer(transfer, payout)
        return await self._until_answered(lambda: self._process.ledger.settle(given))

    async def compensate(self, activity: str, transfer: TransferInput) -> None:
        assert activity == contracts.RECALL_PAYOUT
        recall = self._process.bank.recall_payout
        await self._until_answered(lambda: recall(transfer), undoes=True)

    async def close(self, transfer: TransferInput, failure: TransferFailure) -> TransferEnd:
        given = CloseTransfer(transfer, failure)
        return await self._until_answered(lambda: self._process.ledger.close(given), undoes=True)

    async def notify(self, notification_ids: list[str]) -> None:
        for notification_id in notification_ids:
            for _ in range(TRIES_MAX):
                try:
                    await self._process.messages.deliver(notification_id)
                    break
                except ProviderError as error:
                    await self._wait(error)

    async def _until_answered(
        self, attempt: Callable[[], Awaitable[Result]], *, undoes: bool = False
    ) -> Result:
        tries = 0
        while tries < 100:
            try:
                return await attempt()
            except OperationParked as error:
                # For as long as it is held.
                await self._wait(error)
            except PerdureError as error:
                tries += 1
                if isinstance(error, ANSWERS) and not undoes:
                    raise
                await self._wait(error)
        raise AssertionError("tried a hundred times")
