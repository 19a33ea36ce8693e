"""A refund's own workflow: first the provider gives back, then our books do."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from perdure.core.errors import (
        ANSWERS,
        OperationCancelled,
        PerdureError,
        ProviderAway,
        ProviderUnavailable,
        Refused,
    )
    from perdure.durable import options
    from perdure.durable.queues import provider_queue
    from perdure.durable.scope import OperationScope, Result, current_scope
    from perdure.notifications.telling import tell_by_marker

from perdure.refunds import contracts
from perdure.refunds.contracts import (
    CloseRefund,
    FoundOut,
    GivenBack,
    RefundEnd,
    RefundFailure,
    RefundInput,
    SettleRefund,
)


@workflow.defn(name=contracts.WORKFLOW)
class RefundWorkflow:
    """Carries one refund to its end."""

    @workflow.run
    async def run(self, refund: RefundInput) -> RefundEnd:
        """Have it given back, once, or say why not; then tell the customer."""
        end = await self._carry_out(refund)
        await tell_by_marker(end.notification_ids)
        return end

    async def _carry_out(self, refund: RefundInput) -> RefundEnd:
        scope = current_scope()
        try:
            given = await scope.insist(contracts.GIVE_BACK, lambda: self._give_back(refund))
        except PerdureError as error:
            known = await self._given_before(refund, error)
            if known is None:
                failure = RefundFailure(
                    error.code, error.message, isinstance(error, OperationCancelled)
                )
                return await scope.database_step(
                    contracts.CLOSE, CloseRefund(refund, failure), returns=RefundEnd, undoes=True
                )
            given = known
        # What is given back has to be on our books: nothing but a defect, or an account that was
        # closed meanwhile, keeps it from there, and then a person has to look.
        return await scope.database_step(
            contracts.SETTLE, SettleRefund(refund, given), returns=RefundEnd, undoes=True
        )

    async def _give_back(self, refund: RefundInput) -> GivenBack:
        try:
            return await self._at_provider(
                contracts.GIVE_BACK, refund, GivenBack, options.PROVIDER_CALL
            )
        except (*ANSWERS, ProviderAway):
            raise
        except PerdureError as error:
            # The tries are used up. What became of them is found out before anything is decided.
            found = await self._find_out(refund)
            if found.refusal is not None:
                raise Refused(found.refusal.message, code=found.refusal.code) from error
            if found.given is None:
                raise ProviderUnavailable(
                    f"{refund.provider} could not be had to give it back, and did nothing."
                    f" {error.message}"
                ) from error
            return found.given

    async def _given_before(self, refund: RefundInput, error: PerdureError) -> GivenBack | None:
        """Return what an earlier try did, of a refund that was called off while it was parked."""
        if not isinstance(error, OperationCancelled):
            return None
        found = await current_scope().insist(
            contracts.FIND_OUT, lambda: self._find_out(refund), undoes=True
        )
        return found.given

    async def _find_out(self, refund: RefundInput) -> FoundOut:
        return await self._at_provider(
            contracts.FIND_OUT, refund, FoundOut, options.PROVIDER_INQUIRY
        )

    async def _at_provider(
        self,
        activity: str,
        refund: RefundInput,
        returns: type[Result],
        profile: workflow.ActivityConfig,
    ) -> Result:
        scope: OperationScope = current_scope()
        return await scope.provider_step(
            activity,
            refund,
            returns=returns,
            queue=provider_queue(refund.provider),
            profile=profile,
        )
