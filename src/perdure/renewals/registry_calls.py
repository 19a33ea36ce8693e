"""A renewal's steps at the registry of the domain's TLD."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Final

from pydantic import Field

from perdure.capability.provider_effect import made_once
from perdure.core.errors import NotFound, PerdureError, ProviderDeclined
from perdure.core.script import Bodies
from perdure.durable.interceptors.operation_sync import records_its_attempts
from perdure.operations.agreement import Expected, agreed
from perdure.operations.grouped_steps import GroupedStep, StepDone
from perdure.operations.model import Status
from perdure.operations.provider_call import ProviderCall
from perdure.operations.provider_calls import ProviderCalls
from perdure.operations.steps import Move, StepTransaction, TransactionalSteps, from_json
from perdure.providers.registry import (
    DOMAIN_STATUSES,
    RENEWAL_STATUSES,
    DomainRegistry,
    RegistryDirectory,
    RegistryRenewal,
)
from perdure.renewals import rules
from perdure.renewals.contracts import (
    DomainOffer,
    RenewalInput,
    RenewalReport,
    Undone,
)
from perdure.renewals.process import CHECK_DOMAIN, READ_REPORT, RENEW, UNDO_RENEWAL
from perdure.storage.group_commit import GroupCommit
from perdure.storage.pool import Connection, Pool

_CHECKED: Final = Move(Status.PROCESSING, "domain_checked")


@dataclass(frozen=True, slots=True)
class _KeepOffer:
    """The input of the step that keeps the registry's first answer.

    The answer is left out of what makes two runs of the step the same: the second one may have been
    told another price, and goes on with the first.
    """

    renewal: RenewalInput
    offer: Annotated[DomainOffer, Field(exclude=True)]


class RegistryCalls:
    """A renewal's steps at the registries.

    Args:
        registries: Which of them answers for a domain.
        timeout_s: The longest one call may take, in seconds.
    """

    def __init__(
        self,
        pool: Pool,
        calls: ProviderCalls,
        steps: TransactionalSteps,
        registries: RegistryDirectory,
        *,
        timeout_s: float = 5.0,
    ) -> None:
        self._pool = pool
        self._calls = calls
        self._steps = steps
        self._registries = registries
        self._timeout_s = timeout_s
        self._stored_offers: GroupCommit[str, DomainOffer | None] = GroupCommit(self._read_offers)
        self._offers = GroupedStep(
            pool,
            steps,
            "check_domain",
            one=self._keep_offer,
            many=self._keep_offers,
            returns=DomainOffer,
        )

    @property
    def bodies(self) -> Bodies:
        """What does the work of the steps at the registries."""
        return {
            CHECK_DOMAIN: self.check_domain,
            **made_once(self._calls, RENEW, self._renew_call),
            READ_REPORT: self.read_report,
            UNDO_RENEWAL: self.undo_renewal,
        }

    @records_its_attempts
    async def check_domain(self, renewal: RenewalInput) -> DomainOffer:
        """Ask the registry for the domain's status and price; its first answer is kept.

        Raises:
            NotFound: `domain_not_registered`.
            ProviderError: It gave no answer; try again.
            ProviderDisagrees: It told of another domain, or a status that we do not know.
            OperationCancelled: The renewal is to stop.
        """
        stored = await self._stored_offers.submit(renewal.operation_id)
        if stored is not None:
            return stored
        name, registry = renewal.request.domain, self._registry_of(renewal)
        expected = Expected(renewal.registry, {"name": name}, {"status": DOMAIN_STATUSES})
        found = await agreed(expected, await registry.domain(name), lambda: registry.domain(name))
        offer = DomainOffer(
            found.status,
            found.expires_on.isoformat(),
            found.premium,
            found.price_minor,
            found.currency,
        )
        return await self._offers.run(renewal.operation_id, _KeepOffer(renewal, offer))

    async def _read_offers(self, operation_ids: list[str]) -> Sequence[DomainOffer | None]:
        rows = await self._pool.fetch(
            "SELECT operation_id, result FROM effects"
            " WHERE operation_id = ANY($1) AND step = 'check_domain'",
            operation_ids,
        )
        found = {row["operation_id"]: from_json(DomainOffer, row["result"]) for row in rows}
        return [found.get(operation_id) for operation_id in operation_ids]

    async def _keep_offer(self, step: StepTransaction, given: _KeepOffer) -> DomainOffer:
        step.planned = _CHECKED
        return given.offer

    async def _keep_offers(
        self, _: Connection, given: Mapping[str, _KeepOffer]
    ) -> dict[str, StepDone[DomainOffer]]:
        return {found: StepDone(one.offer, _CHECKED) for found, one in given.items()}

    async def read_report(self, renewal: RenewalInput) -> RenewalReport:
        """Read the registry's report of a renewal again.

        Raises:
            PerdureError: `report_missing`: it knows of none any more.
            ProviderDisagrees: It told of another renewal, or a status that we do not know.
            ProviderError: It gave no answer; try again.
        """
        found = await self._registry_of(renewal).find_renewal(renewal.operation_id)
        if found is None:
            raise PerdureError(
                f"The registry no longer knows of the renewal {renewal.operation_id}.",
                code="report_missing",
            )
        _expected(renewal).check(found)
        return _report(found)

    async def undo_renewal(self, renewal: RenewalInput) -> Undone:
        """Have the registry take back what it did, if it did anything, and if it lets us.

        Raises:
            ProviderDeclined: It refuses for another reason than that its renewals stand.
            ProviderError: Not known, or not done yet; try again.
            ProviderDisagrees: It took back something else than it has renewed, or nothing; or what
                stands is of another domain.
        """
        reference = renewal.operation_id
        if not await self._steps.begin_reversal(reference):
            return Undone()
        made = await self._calls.left_behind(self._renew_call(renewal))
        if made is None or made.status == "undone":
            return Undone()
        registry = self._registry_of(renewal)
        try:
            undone = await registry.undo_renewal(reference)
        except ProviderDeclined as refusal:
            if not rules.stands_after(refusal):
                raise
            stands = {"domain": renewal.request.domain, "status": "renewed"}
            Expected(renewal.registry, stands).check(made)
            return Undone(_report(made), refusal.message)
        expected = Expected(
            renewal.registry,
            {"reference": reference, "domain": made.domain, "status": "undone"},
        )
        await agreed(expected, undone, lambda: registry.find_renewal(reference))
        return Undone()

    def _registry_of(self, renewal: RenewalInput) -> DomainRegistry:
        return self._registries.registry_of(renewal.request.domain)

    def _renew_call(self, renewal: RenewalInput) -> ProviderCall[RegistryRenewal, RenewalReport]:
        request, reference = renewal.request, renewal.operation_id
        registry = self._registry_of(renewal)

        async def create() -> RegistryRenewal:
            try:
                return await registry.renew(
                    reference=reference,
                    domain=request.domain,
                    current_expires_on=date.fromisoformat(renewal.current_expires_on),
                    years=request.years,
                )
            except NotFound as error:
                # A no like any other: it did nothing.
                raise ProviderDeclined(error.message, code=error.code, param=error.param) from error

        return ProviderCall(
            operation_id=renewal.operation_id,
            step="renew",
            provider=renewal.registry,
            reference=reference,
            returns=RenewalReport,
            timeout_s=self._timeout_s,
            create=create,
            find=lambda: registry.find_renewal(reference),
            expects=_expected(renewal),
            outcome=_report,
        )


def _expected(renewal: RenewalInput) -> Expected:
    """Return what a report has to say; its date and its price are `rules.check_report`'s."""
    request = renewal.request
    return Expected(
        renewal.registry,
        {"reference": renewal.operation_id, "domain": request.domain, "years": request.years},
        {"status": RENEWAL_STATUSES},
    )


def _report(found: RegistryRenewal) -> RenewalReport:
    return RenewalReport(
        found.id, found.expires_on.isoformat(), found.price_minor, found.currency, found.status
    )
