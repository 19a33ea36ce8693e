"""The token with which a new customer links an account at another bank; it may be left out."""

from typing import Any

from temporalio import activity

from perdure.durable.interceptors.operation_sync import records_its_attempts
from perdure.onboarding.contracts import LEAVE_OUT_LINK, LINK_BANK, LeftOut, OnboardingInput
from perdure.operations import store as operations
from perdure.operations.attempts import current_attempt, record_attempt
from perdure.profiles import store as profiles
from perdure.profiles.model import ProfileStatus
from perdure.providers.aggregator import BankAggregator
from perdure.storage.pool import Pool, transaction


class BankLinkActivities:
    """Given the pool and the aggregator."""

    def __init__(self, pool: Pool, aggregator: BankAggregator) -> None:
        self._pool = pool
        self._aggregator = aggregator

    @activity.defn(name=LINK_BANK)
    @records_its_attempts
    async def link_bank(self, onboarding: OnboardingInput) -> None:
        """Have a token made, and shown with the onboarding; another one changes nothing else.

        Raises:
            PerdureError: There is none; try again, or leave it out.
        """
        operation_id, customer_id = onboarding.operation_id, onboarding.request.customer_id
        person = await profiles.get_profile(self._pool, customer_id)
        if person.status != ProfileStatus.ACTIVE:
            await self._keep(operation_id, {"left_out": "customer_left"})
            return
        made = await self._aggregator.create_link_token(customer_id, operation_id)
        shown = {"token": made.token, "expires_at": made.expires_at.isoformat()}
        await self._keep(operation_id, shown)

    @activity.defn(name=LEAVE_OUT_LINK)
    @records_its_attempts
    async def leave_out(self, given: LeftOut) -> None:
        """Have the onboarding say that there is no token, and why."""
        await self._keep(given.operation_id, {"left_out": given.why})

    async def _keep(self, operation_id: str, shown: dict[str, Any]) -> None:
        why = shown.get("left_out")
        async with transaction(self._pool) as connection:
            operation = await operations.lock(connection, operation_id)
            await connection.execute(
                "UPDATE operations SET result = coalesce(result, '{}') || $2 WHERE id = $1",
                operation_id,
                {"bank_link": shown},
            )
            await operations.note(
                connection,
                operation,
                actor=operations.SYSTEM,
                action="bank_link_left_out" if why else "bank_link_made",
                reason=why,
            )
            attempt = current_attempt("leave_out_link" if why else "link_bank")
            await record_attempt(connection, operation_id, attempt, outcome="succeeded")
