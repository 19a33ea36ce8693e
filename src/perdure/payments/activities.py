"""A payment's effects: on our database, and at the gateway."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import date
from typing import Final

from perdure.core.clock import Clock, utc_now
from perdure.core.errors import ProviderDisagrees
from perdure.core.ids import TRANSFER, derived_id
from perdure.durable.interceptors.operation_sync import records_its_attempts
from perdure.ledger.chart import SystemAccount, system_account_id
from perdure.ledger.model import NewTransfer
from perdure.ledger.store import LedgerStore
from perdure.notifications import store as notifications
from perdure.operations.agreement import agreed
from perdure.operations.first_tries import FirstTries
from perdure.operations.funded_acceptance import check_account
from perdure.operations.grouped_steps import GroupedStep, StepDone
from perdure.operations.model import Failure, Status
from perdure.operations.provider_call import ProviderCall
from perdure.operations.provider_calls import ProviderCalls
from perdure.operations.steps import Move, StepTransaction, TransactionalSteps
from perdure.payments import contracts, daily_totals, rules
from perdure.payments.acceptance import VERB
from perdure.payments.callbacks import GatewayCallbacks
from perdure.payments.charges import ChargesUndone, expected_charge, outcome_of
from perdure.payments.contracts import (
    ChargeOutcome,
    ChargeResolution,
    ClosePayment,
    Held,
    HoldFunds,
    PaymentEnd,
    PaymentInput,
    SettlePayment,
)
from perdure.payments.messages import failure_messages, success_messages
from perdure.providers.gateway import Charge, PaymentGateway
from perdure.storage.pool import Connection, Pool

_ENDS: Final = ("settle", "close")
"""The steps that end a payment: one that has ended keeps its end, with the messages it owes."""


def hold_id(operation_id: str) -> str:
    """Return the id of a payment's hold in the ledger."""
    return derived_id(TRANSFER, operation_id, "hold")


def _post_id(operation_id: str) -> str:
    return derived_id(TRANSFER, operation_id, "post")


class PaymentLedgerActivities:
    """The steps on our own database, one commit each; those in flight together share one."""

    def __init__(
        self,
        pool: Pool,
        steps: TransactionalSteps,
        ledger: LedgerStore[Connection],
        *,
        clock: Clock = utc_now,
    ) -> None:
        self._steps = steps
        self._ledger = ledger
        self._clock = clock
        self._holds = GroupedStep(
            pool, steps, "hold_funds", one=self._hold, many=self._hold_many, returns=Held
        )
        self._settlements = GroupedStep(
            pool,
            steps,
            "settle",
            one=self._settle,
            many=self._settle_many,
            returns=PaymentEnd,
            ends=_ENDS,
        )

    async def hold_funds(self, given: HoldFunds) -> Held:
        """Check the account and the daily limit, and set the money aside.

        Raises:
            NotFound, Refused, InsufficientFunds, LimitExceeded: Nothing was held.
        """
        return await self._holds.run(given.payment.operation_id, given)

    async def _hold(self, step: StepTransaction, given: HoldFunds) -> Held:
        request = given.payment.request
        await check_account(step.connection, self._ledger, request, verb=VERB)
        day: date | None = None
        if given.daily_limit_minor is not None:
            day = self._clock().date()
            await daily_totals.count(
                step.connection, request, day, limit_minor=given.daily_limit_minor
            )
        await self._ledger.hold(step.connection, _new_hold(given.payment))
        step.planned = _HELD
        return _held(hold_id(given.payment.operation_id), day)

    async def _hold_many(
        self, connection: Connection, given: Mapping[str, HoldFunds]
    ) -> dict[str, StepDone[Held]]:
        # Whose account it is was checked when it was accepted, and does not change; the account's
        # status and its funds may have, and the ledger leaves out what they refuse.
        day = self._clock().date()
        limited = {
            found: (hold.payment.request, hold.daily_limit_minor)
            for found, hold in given.items()
            if hold.daily_limit_minor is not None
        }
        counted = await daily_totals.count_many(connection, limited, day)
        holds = {
            found: _new_hold(hold.payment)
            for found, hold in given.items()
            if hold.daily_limit_minor is None or found in counted
        }
        held = await self._ledger.hold_many(connection, list(holds.values()))
        done = {
            found: StepDone(_held(hold.id, day if found in counted else None), _HELD)
            for found, hold in holds.items()
            if hold.id in held
        }
        not_held = [given[found].payment.request for found in counted if found not in done]
        await daily_totals.take_off_many(connection, not_held, day)
        return done

    async def settle(self, given: SettlePayment) -> PaymentEnd:
        """Post the money and owe both sides their messages: the payment has succeeded.

        Raises:
            OperationCancelled: Somebody was quicker.
        """
        return await self._settlements.run(given.payment.operation_id, given)

    async def _settle(self, step: StepTransaction, given: SettlePayment) -> PaymentEnd:
        found = given.payment.operation_id
        await self._ledger.post_hold(step.connection, hold_id(found), _post_id(found))
        owed = await notifications.owe(step.connection, {found: success_messages(given.payment)})
        step.planned = _settled(given)
        return PaymentEnd(Status.SUCCEEDED, notification_ids=owed[found])

    async def _settle_many(
        self, connection: Connection, given: Mapping[str, SettlePayment]
    ) -> dict[str, StepDone[PaymentEnd]]:
        holds = {hold_id(found): found for found in given}
        posted = await self._ledger.post_holds(
            connection, [(held, _post_id(found)) for held, found in holds.items()]
        )
        settled = [holds[held] for held in posted]
        owed = await notifications.owe(
            connection, {found: success_messages(given[found].payment) for found in settled}
        )
        return {
            found: StepDone(
                PaymentEnd(Status.SUCCEEDED, notification_ids=owed[found]), _settled(given[found])
            )
            for found in settled
        }

    async def close(self, given: ClosePayment) -> PaymentEnd:
        """Release what was held and owe the payer the reason.

        The payment failed, or is cancelled.
        """
        payment, failure = given.payment, given.failure

        async def body(step: StepTransaction) -> PaymentEnd:
            await self._release(step, payment)
            owed = await notifications.owe(
                step.connection, {payment.operation_id: failure_messages(payment, failure)}
            )
            status = Status.CANCELLED if failure.cancelled else Status.FAILED
            step.move(
                status,
                action="closed",
                reason=failure.message,
                failure=Failure(failure.code, failure.message, param=failure.param),
            )
            return PaymentEnd(status, failure, owed[payment.operation_id])

        return await self._steps.run(
            payment.operation_id, "close", given, body, returns=PaymentEnd, undoes=True, ends=_ENDS
        )

    async def _release(self, step: StepTransaction, payment: PaymentInput) -> None:
        held = await self._steps.stored(step, "hold_funds", returns=Held)
        if held is None:
            return
        if held.counted_on is not None:
            await daily_totals.take_off(
                step.connection, payment.request, date.fromisoformat(held.counted_on)
            )
        await self._ledger.void_hold(
            step.connection, held.hold_id, derived_id(TRANSFER, payment.operation_id, "void")
        )


_HELD: Final = Move(Status.PROCESSING, "funds_held")


def _held(found: str, counted_on: date | None) -> Held:
    return Held(found, counted_on.isoformat() if counted_on else None)


def _settled(given: SettlePayment) -> Move:
    return Move(Status.SUCCEEDED, "settled", result={"charge": asdict(given.charge)})


def _new_hold(payment: PaymentInput) -> NewTransfer:
    request = payment.request
    return NewTransfer(
        id=hold_id(payment.operation_id),
        debit_account_id=request.account_id,
        credit_account_id=system_account_id(SystemAccount.GATEWAY_CLEARING, request.currency),
        amount_minor=request.amount_minor,
        currency=request.currency,
        code="payment",
        operation_id=payment.operation_id,
    )


class PaymentGatewayActivities:
    """The steps at the gateway.

    Args:
        first_tries: Watches how quick the gateway is.
        callback_url: Where the gateway sends its confirmations.
        timeout_s: The longest one call may take, in seconds.
    """

    def __init__(
        self,
        calls: ProviderCalls,
        steps: TransactionalSteps,
        gateway: PaymentGateway,
        callbacks: GatewayCallbacks,
        *,
        first_tries: FirstTries,
        callback_url: str | None,
        timeout_s: float = 5.0,
    ) -> None:
        self._calls = calls
        self._steps = steps
        self._gateway = gateway
        self._callbacks = callbacks
        self._first_tries = first_tries
        self._callback_url = callback_url
        self._timeout_s = timeout_s
        self.charges = ChargesUndone(calls, gateway, timeout_s=timeout_s)

    @records_its_attempts
    async def charge(self, payment: PaymentInput) -> ChargeOutcome:
        """Have the gateway collect, once, whatever happens to this worker.

        Raises:
            ProviderDeclined: It refused.
            ProviderError: Not done, or not known; try again.
            OperationCancelled: The payment is to stop: it was not charged, or nothing confirmed it.
        """
        outcome = await self._calls.get_or_create(self._charge_call(payment))
        return await self._confirmed(payment, outcome)

    async def resolve_charge(self, payment: PaymentInput) -> ChargeResolution:
        """Find out what became of a charge whose answer was lost.

        Raises:
            ProviderOutcomeUnknown: Not known yet; ask again.
            OperationCancelled: It was made, and the payment is to stop before it is confirmed.
        """
        found = await self._calls.resolve(self._charge_call(payment))
        return ChargeResolution(await self._confirmed(payment, found) if found else None)

    async def check_charge(self, payment: PaymentInput) -> ChargeOutcome:
        """Ask the gateway how a charge stands of which a callback told something else.

        Raises:
            OperationParked: An operator holds the payment.
            ProviderDisagrees: What it has is not the charge it made.
            ProviderError: It gave no answer; ask again.
        """
        await self._steps.check_not_parked(payment.operation_id)
        made = await self._made(payment)
        return await self._asked(payment, made) or made

    async def confirm_charge(self, payment: PaymentInput) -> ChargeOutcome:
        """Ask the gateway for a charge nobody confirmed; a pending one is called off there.

        Raises:
            OperationParked: An operator holds the payment.
            ProviderDisagrees: What it has is not the charge it made.
            ProviderError: It gave no answer; ask again.
        """
        await self._steps.check_not_parked(payment.operation_id)
        made = await self._made(payment)
        found = await self._asked(payment, made)
        if found is None:
            raise ProviderDisagrees(
                f"The gateway has no charge under {payment.operation_id}, where it made"
                f" {made.charge_id}."
            )
        if found.status != "pending":
            return found
        charge = await agreed(
            expected_charge(payment, made),
            await self._gateway.cancel_charge(payment.operation_id),
            lambda: self._gateway.find_charge(payment.operation_id),
        )
        return outcome_of(charge)

    async def undo_charge(self, payment: PaymentInput) -> ChargeResolution:
        """Give back what the charge took, if it took anything.

        Raises:
            ProviderError: Not known, or not done yet; try again.
        """
        if not await self._steps.begin_reversal(payment.operation_id):
            return ChargeResolution(None)
        if await self._calls.left_behind(self._charge_call(payment)) is None:
            return ChargeResolution(None)
        return ChargeResolution(outcome_of(await self.charges.undo(payment.operation_id, "refund")))

    async def _confirmed(self, payment: PaymentInput, charge: ChargeOutcome) -> ChargeOutcome:
        # What is told of the charge, or a request to cancel, may have come before whoever is to
        # wait for it: to an earlier run of the workflow, or while the payment was in a lane.
        if charge.status != "pending":
            return charge
        told = await self._callbacks.kept(payment.operation_id)
        if not told:
            return charge
        confirmed = rules.confirmed_by(payment, charge, told)
        return confirmed or await self._asked(payment, charge) or charge

    async def _made(self, payment: PaymentInput) -> ChargeOutcome:
        """Return the charge as the gateway answered when it made it."""
        made = await self._calls.resolve(self._charge_call(payment))
        assert made is not None, f"{payment.operation_id} waits for a charge that was not made"
        return made

    async def _asked(self, payment: PaymentInput, made: ChargeOutcome) -> ChargeOutcome | None:
        """Ask the gateway how the charge it made stands; None: it has none."""
        found = await self._gateway.find_charge(payment.operation_id)
        if found is None:
            return None
        expected_charge(payment, made).check(found)
        return outcome_of(found)

    def _charge_call(self, payment: PaymentInput) -> ProviderCall[Charge, ChargeOutcome]:
        request, reference = payment.request, payment.operation_id

        async def create() -> Charge:
            with self._first_tries.under_way():
                return await self._gateway.charge(
                    reference=reference,
                    amount_minor=request.amount_minor,
                    currency=request.currency,
                    payment_method=request.payment_method,
                    callback_url=self._callback_url,
                )

        return ProviderCall(
            operation_id=payment.operation_id,
            step="charge",
            provider=contracts.GATEWAY,
            reference=reference,
            returns=ChargeOutcome,
            timeout_s=self._timeout_s,
            create=create,
            find=lambda: self._gateway.find_charge(reference),
            expects=expected_charge(payment),
            outcome=outcome_of,
            status_after=Status.WAITING,
        )
