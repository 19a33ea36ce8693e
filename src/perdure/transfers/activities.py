"""A transfer's effects: on our database, and at the bank."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Final

from perdure.core.ids import TRANSFER, derived_id
from perdure.durable.interceptors.operation_sync import records_its_attempts
from perdure.ledger.chart import SystemAccount, system_account_id
from perdure.ledger.model import NewTransfer
from perdure.ledger.store import LedgerStore
from perdure.notifications import store as notifications
from perdure.operations.agreement import Expected, agreed
from perdure.operations.first_tries import FirstTries
from perdure.operations.funded_acceptance import check_account
from perdure.operations.grouped_steps import GroupedStep, StepDone
from perdure.operations.model import Failure, Status
from perdure.operations.provider_call import ProviderCall
from perdure.operations.provider_calls import ProviderCalls
from perdure.operations.steps import Move, StepTransaction, TransactionalSteps
from perdure.providers.bank import PAYOUT_STATUSES, Payout, PayoutBank
from perdure.storage.pool import Connection, Pool
from perdure.transfers import contracts
from perdure.transfers.acceptance import VERB
from perdure.transfers.contracts import (
    CloseTransfer,
    Held,
    PayoutOutcome,
    PayoutResolution,
    SettleTransfer,
    TransferEnd,
    TransferInput,
)
from perdure.transfers.messages import failure_messages, success_messages

_ENDS: Final = ("settle", "close")
"""The steps that end a transfer: one that has ended keeps its end, with the messages it owes."""


def hold_id(operation_id: str) -> str:
    """Return the id of a transfer's hold in the ledger."""
    return derived_id(TRANSFER, operation_id, "hold")


def _post_id(operation_id: str) -> str:
    return derived_id(TRANSFER, operation_id, "post")


class TransferLedgerActivities:
    """The steps on our own database, one commit each; those in flight together share one."""

    def __init__(
        self, pool: Pool, steps: TransactionalSteps, ledger: LedgerStore[Connection]
    ) -> None:
        self._steps = steps
        self._ledger = ledger
        self._holds = GroupedStep(
            pool, steps, "hold_funds", one=self._hold, many=self._hold_many, returns=Held
        )
        self._settlements = GroupedStep(
            pool,
            steps,
            "settle",
            one=self._settle,
            many=self._settle_many,
            returns=TransferEnd,
            ends=_ENDS,
        )

    async def hold_funds(self, transfer: TransferInput) -> Held:
        """Check the account, and set the money aside.

        Raises:
            NotFound, Refused, InsufficientFunds: Nothing was held.
        """
        return await self._holds.run(transfer.operation_id, transfer)

    async def _hold(self, step: StepTransaction, transfer: TransferInput) -> Held:
        await check_account(step.connection, self._ledger, transfer.request, verb=VERB)
        await self._ledger.hold(step.connection, _new_hold(transfer))
        step.planned = _HELD
        return Held(hold_id(transfer.operation_id))

    async def _hold_many(
        self, connection: Connection, transfers: Mapping[str, TransferInput]
    ) -> dict[str, StepDone[Held]]:
        # Whose account it is was checked when it was accepted, and does not change; the account's
        # status and its funds may have, and the ledger leaves out what they refuse.
        holds = {found: _new_hold(transfer) for found, transfer in transfers.items()}
        held = await self._ledger.hold_many(connection, list(holds.values()))
        return {
            found: StepDone(Held(hold.id), _HELD)
            for found, hold in holds.items()
            if hold.id in held
        }

    async def settle(self, given: SettleTransfer) -> TransferEnd:
        """Post the money and owe the customer the message: the transfer has succeeded.

        Raises:
            OperationCancelled: Somebody was quicker.
        """
        return await self._settlements.run(given.transfer.operation_id, given)

    async def _settle(self, step: StepTransaction, given: SettleTransfer) -> TransferEnd:
        found = given.transfer.operation_id
        await self._ledger.post_hold(step.connection, hold_id(found), _post_id(found))
        owed = await notifications.owe(step.connection, {found: success_messages(given.transfer)})
        step.planned = _settled(given)
        return TransferEnd(Status.SUCCEEDED, notification_ids=owed[found])

    async def _settle_many(
        self, connection: Connection, given: Mapping[str, SettleTransfer]
    ) -> dict[str, StepDone[TransferEnd]]:
        holds = {hold_id(found): found for found in given}
        posted = await self._ledger.post_holds(
            connection, [(held, _post_id(found)) for held, found in holds.items()]
        )
        settled = [holds[held] for held in posted]
        owed = await notifications.owe(
            connection, {found: success_messages(given[found].transfer) for found in settled}
        )
        return {
            found: StepDone(
                TransferEnd(Status.SUCCEEDED, notification_ids=owed[found]),
                _settled(given[found]),
            )
            for found in settled
        }

    async def close(self, given: CloseTransfer) -> TransferEnd:
        """Release what was held and owe the customer the reason.

        The transfer failed, or is cancelled.
        """
        transfer, failure = given.transfer, given.failure
        found = transfer.operation_id

        async def body(step: StepTransaction) -> TransferEnd:
            held = await self._steps.stored(step, "hold_funds", returns=Held)
            if held is not None:
                await self._ledger.void_hold(
                    step.connection, held.hold_id, derived_id(TRANSFER, found, "void")
                )
            owed = await notifications.owe(
                step.connection, {found: failure_messages(transfer, failure)}
            )
            status = Status.CANCELLED if failure.cancelled else Status.FAILED
            step.move(
                status,
                action="closed",
                reason=failure.message,
                failure=Failure(failure.code, failure.message, param=failure.param),
            )
            return TransferEnd(status, failure, owed[found])

        return await self._steps.run(
            found, "close", given, body, returns=TransferEnd, undoes=True, ends=_ENDS
        )


_HELD: Final = Move(Status.PROCESSING, "funds_held")


def _settled(given: SettleTransfer) -> Move:
    return Move(Status.SUCCEEDED, "settled", result={"payout": asdict(given.payout)})


def _new_hold(transfer: TransferInput) -> NewTransfer:
    request = transfer.request
    return NewTransfer(
        id=hold_id(transfer.operation_id),
        debit_account_id=request.account_id,
        credit_account_id=system_account_id(SystemAccount.BANK, request.currency),
        amount_minor=request.amount_minor,
        currency=request.currency,
        code="transfer",
        operation_id=transfer.operation_id,
    )


class TransferBankActivities:
    """The steps at the bank.

    Args:
        first_tries: Watches how quick the bank is.
        timeout_s: The longest one call may take, in seconds.
    """

    def __init__(
        self,
        calls: ProviderCalls,
        steps: TransactionalSteps,
        bank: PayoutBank,
        *,
        first_tries: FirstTries,
        timeout_s: float = 5.0,
    ) -> None:
        self._calls = calls
        self._steps = steps
        self._bank = bank
        self._first_tries = first_tries
        self._timeout_s = timeout_s

    @records_its_attempts
    async def pay_out(self, transfer: TransferInput) -> PayoutOutcome:
        """Have the bank pay, once, whatever happens to this worker.

        Raises:
            ProviderDeclined: It refused.
            ProviderError: Not done, or not known; try again.
            OperationCancelled: The transfer is to stop, and was not paid out.
        """
        return await self._calls.get_or_create(self._payout_call(transfer))

    async def resolve_payout(self, transfer: TransferInput) -> PayoutResolution:
        """Find out what became of a payout whose answer was lost.

        Raises:
            ProviderOutcomeUnknown: Not known yet; ask again.
        """
        found = await self._calls.resolve(self._payout_call(transfer))
        return PayoutResolution(found)

    async def recall_payout(self, transfer: TransferInput) -> PayoutResolution:
        """Take back what was paid out, if anything was.

        Raises:
            ProviderError: Not known, or not done yet; try again.
            ProviderDisagrees: The bank took back something else than it has paid, or nothing.
        """
        reference = transfer.operation_id
        if not await self._steps.begin_reversal(reference):
            return PayoutResolution(None)
        paid = await self._calls.left_behind(self._payout_call(transfer))
        if paid is None:
            return PayoutResolution(None)
        expected = Expected(
            contracts.BANK,
            {
                "reference": reference,
                # What is there, which may be other than what was asked for.
                "amount_minor": paid.amount_minor,
                "currency": paid.currency,
                "status": "failed" if paid.status == "failed" else "recalled",
            },
        )
        recalled = await agreed(
            expected,
            await self._bank.recall_payout(reference),
            lambda: self._bank.find_payout(reference),
        )
        return PayoutResolution(_outcome(recalled))

    def _payout_call(self, transfer: TransferInput) -> ProviderCall[Payout, PayoutOutcome]:
        request, reference = transfer.request, transfer.operation_id

        async def create() -> Payout:
            with self._first_tries.under_way():
                return await self._bank.pay_out(
                    reference=reference,
                    amount_minor=request.amount_minor,
                    currency=request.currency,
                    destination=request.destination,
                )

        return ProviderCall(
            operation_id=transfer.operation_id,
            step="pay_out",
            provider=contracts.BANK,
            reference=reference,
            returns=PayoutOutcome,
            timeout_s=self._timeout_s,
            create=create,
            find=lambda: self._bank.find_payout(reference),
            expects=Expected(
                contracts.BANK,
                {
                    "reference": reference,
                    "amount_minor": request.amount_minor,
                    "currency": request.currency,
                },
                {"status": PAYOUT_STATUSES},
            ),
            outcome=_outcome,
        )


def _outcome(payout: Payout) -> PayoutOutcome:
    return PayoutOutcome(payout.id, payout.status, payout.failure_code)
