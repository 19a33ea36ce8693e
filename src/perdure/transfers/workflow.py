"""A transfer's own workflow: able to wait for the bank and for people."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from perdure.core.errors import ANSWERS, PerdureError, ProviderAway, Refused
    from perdure.durable import options
    from perdure.durable.first_tries import first_try
    from perdure.durable.queues import provider_queue
    from perdure.durable.scope import OperationScope, Result, current_scope
    from perdure.notifications.telling import tell

from perdure.transfers import contracts
from perdure.transfers.contracts import (
    AtOnce,
    CloseTransfer,
    Held,
    PayoutOutcome,
    PayoutResolution,
    SettleTransfer,
    TransferEnd,
    TransferFailure,
    TransferInput,
)
from perdure.transfers.process import run_transfer

_BANK_QUEUE = provider_queue(contracts.BANK)


@workflow.defn(name=contracts.WORKFLOW)
class TransferWorkflow:
    """Carries one transfer to its end."""

    @workflow.run
    async def run(self, transfer: TransferInput) -> TransferEnd:
        """Run the transfer's script: in one go if nothing is in the way, else step by step."""
        done = await first_try(contracts.RUN_AT_ONCE, transfer, returns=AtOnce)
        if done is not None and done.end is not None:
            await tell(done.untold)
            return done.end
        return await run_transfer(transfer, self)

    async def hold_funds(self, transfer: TransferInput) -> None:
        """Check the account, and set the money aside."""
        await self._scope.database_step(contracts.HOLD_FUNDS, transfer, returns=Held)

    async def pay_out(self, transfer: TransferInput) -> PayoutOutcome:
        """Have the bank pay, once."""
        return await self._scope.insist(contracts.PAY_OUT, lambda: self._pay_out(transfer))

    async def _pay_out(self, transfer: TransferInput) -> PayoutOutcome:
        try:
            return await self._at_bank(
                contracts.PAY_OUT, transfer, PayoutOutcome, options.PROVIDER_CALL
            )
        except (*ANSWERS, ProviderAway):
            raise
        except PerdureError as error:
            # The tries are used up. What became of them is found out before anything is decided.
            resolution = await self._insist_at_bank(
                contracts.RESOLVE_PAYOUT, transfer, PayoutResolution
            )
            if resolution.payout is None:
                raise Refused(
                    "The bank cannot be reached, so no money was moved; try again later.",
                    code="bank_unavailable",
                ) from error
            return resolution.payout

    async def settle(self, transfer: TransferInput, payout: PayoutOutcome) -> TransferEnd:
        """Post the money."""
        return await self._scope.database_step(
            contracts.SETTLE, SettleTransfer(transfer, payout), returns=TransferEnd
        )

    async def compensate(self, activity: str, transfer: TransferInput) -> None:
        """Undo what a step did, or may have done."""
        await self._insist_at_bank(activity, transfer, PayoutResolution, undoes=True)

    async def close(self, transfer: TransferInput, failure: TransferFailure) -> TransferEnd:
        """Release the money."""
        return await self._scope.database_step(
            contracts.CLOSE, CloseTransfer(transfer, failure), returns=TransferEnd, undoes=True
        )

    async def notify(self, notification_ids: list[str]) -> None:
        """Tell the customer."""
        await tell(notification_ids)

    async def _at_bank(
        self,
        activity: str,
        transfer: TransferInput,
        returns: type[Result],
        profile: workflow.ActivityConfig,
    ) -> Result:
        return await self._scope.provider_step(
            activity, transfer, returns=returns, queue=_BANK_QUEUE, profile=profile
        )

    async def _insist_at_bank(
        self,
        activity: str,
        transfer: TransferInput,
        returns: type[Result],
        *,
        undoes: bool = False,
    ) -> Result:
        return await self._scope.insist(
            activity,
            lambda: self._at_bank(activity, transfer, returns, options.PROVIDER_INQUIRY),
            undoes=undoes,
        )

    @property
    def _scope(self) -> OperationScope:
        return current_scope()
