"""A renewal's own workflow: able to wait for the registry and for people."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from perdure.core.errors import ANSWERS, PerdureError, ProviderAway, ProviderUnavailable
    from perdure.durable import options, versions
    from perdure.durable.queues import provider_queue
    from perdure.durable.scope import OperationScope, Result, current_scope
    from perdure.notifications.telling import tell_by_marker

from perdure.renewals import contracts, rules
from perdure.renewals.contracts import (
    CloseRenewal,
    DomainOffer,
    Fee,
    Held,
    HoldFee,
    LetStand,
    RecordRenewal,
    RenewalEnd,
    RenewalFailure,
    RenewalInput,
    RenewalReport,
    RenewalResolution,
    Undone,
)
from perdure.renewals.process import run_renewal


@workflow.defn(name=contracts.WORKFLOW)
class RenewalWorkflow:
    """Carries one renewal to its end."""

    @workflow.init
    def __init__(self, renewal: RenewalInput) -> None:  # noqa: ARG002 - Temporal hands the input
        self._renews = False

    @workflow.run
    async def run(self, renewal: RenewalInput) -> RenewalEnd:
        """Run the renewal's script."""
        return await run_renewal(renewal, self)

    async def check_domain(self, renewal: RenewalInput) -> DomainOffer:
        """Ask the registry; one that cannot be reached parks the renewal."""
        return await self._scope.insist(
            contracts.CHECK_DOMAIN,
            lambda: self._at_registry(
                contracts.CHECK_DOMAIN, renewal, DomainOffer, options.PROVIDER_CALL
            ),
        )

    async def hold_fee(self, renewal: RenewalInput, fee: Fee) -> None:
        """Check the account, and set the fee aside."""
        await self._scope.database_step(contracts.HOLD_FEE, HoldFee(renewal, fee), returns=Held)

    async def renew(self, renewal: RenewalInput) -> RenewalReport:
        """Have the registry renew, once; one that cannot be reached parks the renewal."""
        self._renews = True
        return await self._scope.insist(contracts.RENEW, lambda: self._renew(renewal))

    async def _renew(self, renewal: RenewalInput) -> RenewalReport:
        try:
            return await self._at_registry(
                contracts.RENEW, renewal, RenewalReport, options.PROVIDER_CALL
            )
        except (*ANSWERS, ProviderAway):
            raise
        except PerdureError as error:
            # The tries are used up. What became of them is found out before anything is decided.
            resolution = await self._at_registry(
                contracts.RESOLVE_RENEWAL, renewal, RenewalResolution, options.PROVIDER_INQUIRY
            )
            if resolution.report is None:
                # The domain still waits for it: an operator has it go on, or calls it off.
                raise ProviderUnavailable(
                    f"The registry could not be had to renew {renewal.request.domain}, and did"
                    f" nothing. {error.message}",
                    code="registry_unavailable",
                ) from error
            return resolution.report

    async def check_report(
        self, renewal: RenewalInput, fee: Fee, report: RenewalReport
    ) -> RenewalReport:
        """Compare the report with what was asked for; one that differs is read again, and parks."""
        try:
            rules.check_report(renewal, fee, report)
        except PerdureError:
            return await self._scope.insist(
                contracts.READ_REPORT, lambda: self._read_report(renewal, fee)
            )
        return report

    async def _read_report(self, renewal: RenewalInput, fee: Fee) -> RenewalReport:
        report = await self._at_registry(
            contracts.READ_REPORT, renewal, RenewalReport, options.PROVIDER_CALL
        )
        rules.check_stands(report)
        rules.check_report(renewal, fee, report)
        return report

    async def record(self, renewal: RenewalInput, fee: Fee, report: RenewalReport) -> RenewalEnd:
        """Post the fee, and write the new date."""
        return await self._scope.database_step(
            contracts.RECORD, RecordRenewal(renewal, fee, report), returns=RenewalEnd
        )

    async def undo_renewal(self, renewal: RenewalInput) -> Undone:
        """Undo what the registry did, or may have done, be it before this run; if it lets us."""
        if not (self._renews or workflow.patched(versions.UNDO_EARLIER_RUNS)):
            return Undone()
        return await self._scope.insist(
            contracts.UNDO_RENEWAL,
            lambda: self._at_registry(
                contracts.UNDO_RENEWAL, renewal, Undone, options.PROVIDER_INQUIRY
            ),
            undoes=True,
        )

    async def let_stand(self, given: LetStand) -> RenewalEnd:
        """Record what the registry does not take back."""
        return await self._scope.database_step(
            contracts.LET_STAND, given, returns=RenewalEnd, undoes=True
        )

    async def close(self, renewal: RenewalInput, failure: RenewalFailure) -> RenewalEnd:
        """Release the fee and the domain."""
        return await self._scope.database_step(
            contracts.CLOSE, CloseRenewal(renewal, failure), returns=RenewalEnd, undoes=True
        )

    async def notify(self, notification_ids: list[str]) -> None:
        """Tell the customer."""
        await tell_by_marker(notification_ids)

    async def _at_registry(
        self,
        activity: str,
        renewal: RenewalInput,
        returns: type[Result],
        profile: workflow.ActivityConfig,
    ) -> Result:
        return await self._scope.provider_step(
            activity,
            renewal,
            returns=returns,
            queue=provider_queue(renewal.registry),
            profile=profile,
        )

    @property
    def _scope(self) -> OperationScope:
        return current_scope()
