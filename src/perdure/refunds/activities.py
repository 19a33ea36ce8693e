"""A refund's effects: at the provider, and on our database."""

from collections.abc import Mapping
from typing import Final

from perdure.core.errors import InvalidInput, Refused
from perdure.core.ids import TRANSFER, derived_id
from perdure.durable.interceptors.operation_sync import records_its_attempts
from perdure.ledger.model import NewTransfer
from perdure.ledger.store import LedgerStore
from perdure.notifications import store as notifications
from perdure.operations import store
from perdure.operations.model import Failure, Operation, Status
from perdure.operations.provider_call import ProviderCall
from perdure.operations.provider_calls import ProviderCalls
from perdure.operations.refunding import RefundableKind
from perdure.operations.steps import StepTransaction, TransactionalSteps
from perdure.refunds.contracts import (
    CloseRefund,
    FoundOut,
    GivenBack,
    RefundEnd,
    RefundFailure,
    RefundInput,
    RefundProvider,
    SettleRefund,
)
from perdure.refunds.messages import failure_messages, success_messages
from perdure.storage.pool import Connection

_ENDS: Final = ("settle", "close")
"""The steps that end a refund: one that has ended keeps its end, with the messages it owes."""

_TOLD: Final = {Status.FAILED: "refund_failed", Status.CANCELLED: "refund_cancelled"}
"""What the trail of the operation says that was not refunded."""


class RefundProviderActivities:
    """The steps at the providers.

    Args:
        providers: How the operations of each kind are given back, by the kind's name.
    """

    def __init__(self, calls: ProviderCalls, providers: Mapping[str, RefundProvider]) -> None:
        self._calls = calls
        self._providers = providers

    @records_its_attempts
    async def give_back(self, refund: RefundInput) -> GivenBack:
        """Have the provider give back, once, whatever happens to this worker.

        Raises:
            ProviderDeclined, InvalidInput: It refused.
            ProviderError: Not done, or not known; try again.
            OperationCancelled: The refund is to stop, and nothing was given back.
        """
        return await self._calls.get_or_create(self._call(refund))

    async def find_out(self, refund: RefundInput) -> FoundOut:
        """Find out what became of a call whose answer was lost.

        Raises:
            ProviderOutcomeUnknown: Not known yet; ask again.
        """
        try:
            found = await self._calls.resolve(self._call(refund))
        except (Refused, InvalidInput) as error:
            return FoundOut(refusal=RefundFailure(error.code, error.message))
        return FoundOut(found)

    def _call(self, refund: RefundInput) -> ProviderCall[GivenBack, GivenBack]:
        provider = self._providers[refund.request.kind]

        async def create() -> GivenBack:
            return await provider.give_back(refund)

        async def find() -> GivenBack | None:
            return await provider.find(refund)

        return ProviderCall(
            operation_id=refund.operation_id,
            step="give_back",
            provider=refund.provider,
            reference=refund.operation_id,
            returns=GivenBack,
            timeout_s=provider.timeout_s,
            create=create,
            find=find,
            # Each kind compares what its provider says of it.
            expects=None,
            outcome=lambda given: given,
            repeatable=True,
        )


class RefundLedgerActivities:
    """The steps on our own database, one commit each.

    Args:
        kinds: What can be refunded, by name.
    """

    def __init__(
        self,
        steps: TransactionalSteps,
        ledger: LedgerStore[Connection],
        kinds: Mapping[str, RefundableKind],
    ) -> None:
        self._steps = steps
        self._ledger = ledger
        self._kinds = kinds

    async def settle(self, given: SettleRefund) -> RefundEnd:
        """Move the money back on our books, and owe the customer the message.

        Neither a request to cancel nor an operator holds this up: the provider has given it back.
        """
        refund, request = given.refund, given.refund.request
        found = refund.operation_id

        async def body(step: StepTransaction) -> RefundEnd:
            connection = step.connection
            await self._ledger.post(connection, _reversing_transfer(refund))
            refunded = await store.get(connection, request.refund_of)
            record = self._kinds[request.kind].record
            await record(connection, refunded, found, given.given.details)
            await _tell(step, refunded, "refunded", request.reason)
            owed = await notifications.owe(connection, {found: success_messages(refund)})
            step.move(
                Status.SUCCEEDED,
                action="settled",
                result={
                    "amount_minor": request.amount_minor,
                    "currency": request.currency,
                    **given.given.details,
                },
            )
            return RefundEnd(Status.SUCCEEDED, notification_ids=owed[found])

        return await self._steps.run(
            found, "settle", given, body, returns=RefundEnd, undoes=True, ends=_ENDS
        )

    async def close(self, given: CloseRefund) -> RefundEnd:
        """End a refund of which nothing came: what was to be refunded stands, and says why."""
        refund, failure = given.refund, given.failure
        found, request = refund.operation_id, refund.request
        kind = self._kinds[request.kind]

        async def body(step: StepTransaction) -> RefundEnd:
            connection = step.connection
            status = Status.CANCELLED if failure.cancelled else Status.FAILED
            refunded = await store.get(connection, request.refund_of)
            await kind.release(connection, refunded, found)
            is_final = not failure.cancelled and failure.code in kind.final_refusals
            await connection.execute(
                "UPDATE operations SET refunded_by = NULL, refund_refusal = $3"
                " WHERE id = $1 AND refunded_by = $2",
                refunded.id,
                found,
                {"code": failure.code, "message": failure.message} if is_final else None,
            )
            await _tell(step, refunded, _TOLD[status], failure.message)
            owed = await notifications.owe(connection, {found: failure_messages(refund, failure)})
            step.move(
                status,
                action="closed",
                reason=failure.message,
                failure=Failure(failure.code, failure.message),
            )
            return RefundEnd(status, failure, owed[found])

        return await self._steps.run(
            found, "close", given, body, returns=RefundEnd, undoes=True, ends=_ENDS
        )


def _reversing_transfer(refund: RefundInput) -> NewTransfer:
    request = refund.request
    return NewTransfer(
        id=derived_id(TRANSFER, refund.operation_id, "reverse"),
        debit_account_id=refund.taken_by,
        credit_account_id=request.account_id,
        amount_minor=request.amount_minor,
        currency=request.currency,
        code="refund",
        operation_id=refund.operation_id,
    )


async def _tell(step: StepTransaction, refunded: Operation, action: str, reason: str) -> None:
    """Have the trail of what was to be refunded say what came of it."""
    await store.note(
        step.connection,
        refunded,
        actor=store.SYSTEM,
        action=action,
        reason=reason,
        data={"refund": step.operation.id},
    )
