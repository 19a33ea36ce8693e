"""A worker process with all that it keeps in memory, and a transfer's own workflow in it."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any, Final

from perdure.capability.contracts import FirstTry
from perdure.capability.funded import FundedSteps
from perdure.core.errors import (
    ANSWERS,
    EARLIER_CALL_UNDER_WAY,
    OperationParked,
    PerdureError,
    ProviderDisagrees,
    ProviderError,
)
from perdure.core.script import CallStep, Given, Result, ScriptStep, Step
from perdure.core.turns import Permit
from perdure.ledger.store_postgres import PostgresLedger
from perdure.notifications.activities import NotificationActivities
from perdure.notifications.contracts import Channel
from perdure.operations.first_tries import FirstTries
from perdure.operations.lanes.script import LaneScript, script_first_try
from perdure.operations.provider_calls import ProviderCalls
from perdure.operations.steps import TransactionalSteps
from perdure.providers.mail import Mail
from perdure.storage.pool import Pool
from perdure.transfers.bank_calls import payout_at
from perdure.transfers.contracts import TransferInput
from perdure.transfers.funding import FUNDED
from perdure.transfers.process import run_transfer

from .gates import GatedPool, Gates, Life
from .outside import TIMEOUT_S, Bank, BankClient, Clock, Sms, SmsClient

TRIES_MAX: Final = 5


class NoMail:
    """Nobody in this world has a mail address."""

    async def send(self, mail: Mail) -> None:
        raise AssertionError(mail)

    async def was_sent(self, message_id: str) -> bool | None:
        raise AssertionError(message_id)

    async def check(self) -> None:
        raise AssertionError


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
        funded = FundedSteps(self.pool, steps, PostgresLedger(), FUNDED)
        at_bank = payout_at(BankClient(bank, self.life)).bodies(
            calls, steps, first_tries=bank_tries, timeout_s=TIMEOUT_S
        )
        self.bodies = {**funded.bodies, **at_bank}
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
        self.lane = LaneScript(
            run_transfer, TransferInput, self.bodies, deliver=deliver, permit=_no_limit
        )
        self.first_try = script_first_try(
            run_transfer,
            FirstTry,
            self.bodies,
            deliver=deliver,
            permit=_no_limit,
            first_tries=bank_tries,
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

    async def carry_out(self, transfer: TransferInput) -> None:
        """Carry a transfer to its end: in one go if nothing is in the way, else step by step."""
        done: FirstTry = await self._process.first_try(transfer)
        if done.end is not None:
            await self.tell(done.untold)
        else:
            await run_transfer(transfer, self)

    async def run(self, step: ScriptStep[Given, Result], given: Given) -> Result:
        if isinstance(step, CallStep) and step.resolve is not None:
            return await self._call(step, step.resolve, given)
        body: Callable[[Given], Awaitable[Result]] = self._process.bodies[step]
        undoes = isinstance(step, Step | CallStep) and bool(step.undoes)
        return await self._until_answered(lambda: body(given), undoes=undoes)

    async def run_until(
        self, call: CallStep[Given, Result], given: Given, check: Callable[[Result], None]
    ) -> Result:
        raise AssertionError(call.name)

    async def _call(
        self, call: CallStep[Given, Result], resolve: CallStep[Given, Any], given: Given
    ) -> Result:
        body: Callable[[Given], Awaitable[Result]] = self._process.bodies[call]
        tries, last = 0, PerdureError("It disagrees.")
        while tries < TRIES_MAX:
            try:
                return await body(given)
            except OperationParked as error:
                await self._wait(error)
            except ProviderDisagrees:
                break
            except ProviderError as error:
                tries, last = tries + (error.code != EARLIER_CALL_UNDER_WAY), error
                await self._wait(error)
        found_out = self._process.bodies[resolve]
        found = call.found(await self._until_answered(lambda: found_out(given)))
        if found is None:
            raise call.not_made(given, last)
        return found

    async def tell(self, notification_ids: list[str]) -> None:
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
