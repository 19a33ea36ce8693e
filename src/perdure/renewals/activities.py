"""A renewal's effects on our database."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from perdure.core.ids import TRANSFER, derived_id
from perdure.ledger.chart import SystemAccount, system_account_id
from perdure.ledger.model import NewTransfer
from perdure.ledger.store import LedgerStore
from perdure.notifications import store as notifications
from perdure.notifications.contracts import Message
from perdure.operations.funded_acceptance import check_account
from perdure.operations.grouped_steps import GroupedStep, StepDone
from perdure.operations.model import Failure, Status
from perdure.operations.steps import Move, StepTransaction, TransactionalSteps
from perdure.renewals import domains
from perdure.renewals.contracts import (
    CloseRenewal,
    Fee,
    Held,
    HoldFee,
    LetStand,
    RecordRenewal,
    RenewalEnd,
    RenewalInput,
    RenewalReport,
)
from perdure.renewals.domains import Renewed
from perdure.renewals.messages import failure_messages, standing_messages, success_messages
from perdure.storage.pool import Connection, Pool

VERB: Final = "renew"
"""What the customer wants to do, as messages about the account say it."""

_ENDS: Final = ("record", "let_stand", "close")
"""The steps that end a renewal: one that has ended keeps its end, with the messages it owes."""

_HELD: Final = Move(Status.PROCESSING, "fee_held")


@dataclass(frozen=True, slots=True)
class _Payment:
    """The fee as the account is asked for it."""

    customer_id: str
    account_id: str
    amount_minor: int
    currency: str
    reference: str | None = None


class RenewalLedgerActivities:
    """The steps on our own database, one commit each; those in flight together share one."""

    def __init__(
        self, pool: Pool, steps: TransactionalSteps, ledger: LedgerStore[Connection]
    ) -> None:
        self._steps = steps
        self._ledger = ledger
        self._holds = GroupedStep(
            pool, steps, "hold_fee", one=self._hold, many=self._hold_many, returns=Held
        )
        self._records = GroupedStep(
            pool,
            steps,
            "record",
            one=self._record,
            many=self._record_many,
            returns=RenewalEnd,
            ends=_ENDS,
        )

    async def hold_fee(self, given: HoldFee) -> Held:
        """Check the account, and set the fee aside.

        Raises:
            NotFound, Refused, InsufficientFunds, InvalidInput: Nothing was held.
        """
        return await self._holds.run(given.renewal.operation_id, given)

    async def _hold(self, step: StepTransaction, given: HoldFee) -> Held:
        request, fee = given.renewal.request, given.fee
        payment = _Payment(request.customer_id, request.account_id, fee.amount_minor, fee.currency)
        await check_account(step.connection, self._ledger, payment, verb=VERB)
        hold = new_hold(given)
        await self._ledger.hold(step.connection, hold)
        step.planned = _HELD
        return Held(hold.id)

    async def _hold_many(
        self, connection: Connection, given: Mapping[str, HoldFee]
    ) -> dict[str, StepDone[Held]]:
        # Whose account it is was checked when it was accepted, and does not change; its currency,
        # its status and its funds are the ledger's to look at: it leaves out what they refuse.
        holds = {found: new_hold(one) for found, one in given.items()}
        held = await self._ledger.hold_many(connection, list(holds.values()))
        return {
            found: StepDone(Held(hold.id), _HELD)
            for found, hold in holds.items()
            if hold.id in held
        }

    async def record(self, given: RecordRenewal) -> RenewalEnd:
        """Post the fee, write the domain's new date and owe the customer the message.

        Raises:
            OperationCancelled: Somebody was quicker.
        """
        return await self._records.run(given.renewal.operation_id, given)

    async def _record(self, step: StepTransaction, given: RecordRenewal) -> RenewalEnd:
        found = given.renewal.operation_id
        await self._ledger.post_hold(step.connection, hold_id(found), post_id(found))
        await domains.record_renewed(step.connection, [_renewed(given.renewal, given.report)])
        owed = await notifications.owe(step.connection, {found: _success(given)})
        step.planned = Move(Status.SUCCEEDED, "recorded", result=result_of(given.fee, given.report))
        return RenewalEnd(Status.SUCCEEDED, notification_ids=owed[found])

    async def _record_many(
        self, connection: Connection, given: Mapping[str, RecordRenewal]
    ) -> dict[str, StepDone[RenewalEnd]]:
        holds = {hold_id(found): found for found in given}
        posted = await self._ledger.post_holds(
            connection, [(held, post_id(found)) for held, found in holds.items()]
        )
        done = {holds[held]: given[holds[held]] for held in posted}
        await domains.record_renewed(
            connection, [_renewed(one.renewal, one.report) for one in done.values()]
        )
        owed = await notifications.owe(
            connection, {found: _success(one) for found, one in done.items()}
        )
        return {
            found: StepDone(
                RenewalEnd(Status.SUCCEEDED, notification_ids=owed[found]),
                Move(Status.SUCCEEDED, "recorded", result=result_of(one.fee, one.report)),
            )
            for found, one in done.items()
        }

    async def let_stand(self, given: LetStand) -> RenewalEnd:
        """Record a renewal that was to be undone, and that the registry does not take back."""
        renewal, found = given.renewal, given.renewal.operation_id

        async def body(step: StepTransaction) -> RenewalEnd:
            await self._ledger.post_hold(step.connection, hold_id(found), post_id(found))
            await domains.record_renewed(step.connection, [_renewed(renewal, given.report)])
            messages = standing_messages(renewal, given.fee, given.report)
            owed = await notifications.owe(step.connection, {found: messages})
            step.move(
                Status.SUCCEEDED,
                action="left_standing",
                reason=f"{given.failure.message} It is not undone: {given.refusal}",
                result=result_of(given.fee, given.report),
            )
            return RenewalEnd(Status.SUCCEEDED, notification_ids=owed[found])

        return await self._steps.run(
            found, "let_stand", given, body, returns=RenewalEnd, undoes=True, ends=_ENDS
        )

    async def close(self, given: CloseRenewal) -> RenewalEnd:
        """Release what was held, and the domain, and owe the customer the reason.

        The renewal failed, or is cancelled.
        """
        renewal, failure = given.renewal, given.failure
        found = renewal.operation_id

        async def body(step: StepTransaction) -> RenewalEnd:
            held = await self._steps.stored(step, "hold_fee", returns=Held)
            if held is not None:
                await self._ledger.void_hold(step.connection, held.hold_id, void_id(found))
            await domains.release(step.connection, renewal.request.domain, found)
            owed = await notifications.owe(
                step.connection, {found: failure_messages(renewal, failure)}
            )
            status = Status.CANCELLED if failure.cancelled else Status.FAILED
            step.move(
                status,
                action="closed",
                reason=failure.message,
                failure=Failure(failure.code, failure.message, param=failure.param),
            )
            return RenewalEnd(status, failure, owed[found])

        return await self._steps.run(
            found, "close", given, body, returns=RenewalEnd, undoes=True, ends=_ENDS
        )


def hold_id(operation_id: str) -> str:
    """Return the id of a renewal's hold in the ledger."""
    return derived_id(TRANSFER, operation_id, "hold")


def post_id(operation_id: str) -> str:
    """Return the id of the transfer that posts a renewal's fee."""
    return derived_id(TRANSFER, operation_id, "post")


def void_id(operation_id: str) -> str:
    """Return the id of the transfer that releases a renewal's fee."""
    return derived_id(TRANSFER, operation_id, "void")


def new_hold(given: HoldFee) -> NewTransfer:
    """Return a renewal's hold."""
    renewal, fee = given.renewal, given.fee
    return NewTransfer(
        id=hold_id(renewal.operation_id),
        debit_account_id=renewal.request.account_id,
        credit_account_id=system_account_id(SystemAccount.REGISTRY_CLEARING, fee.currency),
        amount_minor=fee.amount_minor,
        currency=fee.currency,
        code="renewal",
        operation_id=renewal.operation_id,
    )


def _renewed(renewal: RenewalInput, report: RenewalReport) -> Renewed:
    return Renewed(
        renewal.request.domain, renewal.operation_id, date.fromisoformat(report.expires_on)
    )


def _success(given: RecordRenewal) -> Sequence[Message]:
    return success_messages(given.renewal, given.fee, given.report)


def result_of(fee: Fee, report: RenewalReport) -> dict[str, Any]:
    """Return the result of a renewal that succeeded, as its row has it."""
    return {
        "expires_on": report.expires_on,
        "price_minor": fee.amount_minor,
        "currency": fee.currency,
        "registry_renewal_id": report.renewal_id,
    }
