"""An onboarding's steps on our own database, each one commit."""

from datetime import timedelta

from temporalio import activity

from perdure.capability.contracts import End
from perdure.core.clock import utc_now
from perdure.core.ids import ACCOUNT, derived_id
from perdure.core.script import Bodies
from perdure.durable.interceptors.operation_sync import records_its_attempts
from perdure.ledger.chart import ensure_system_accounts
from perdure.ledger.model import AccountKind, AccountStatus, NewAccount
from perdure.ledger.store import LedgerStore
from perdure.notifications import store as notifications
from perdure.onboarding import messages, rules, store
from perdure.onboarding.contracts import (
    FOLLOW_UP,
    CloseOnboarding,
    CompleteOnboarding,
    Created,
    OnboardingInput,
    Opened,
)
from perdure.onboarding.process import CLOSE, COMPLETE, CREATE_PROFILE, OPEN_ACCOUNTS
from perdure.operations import model
from perdure.operations import store as operations
from perdure.operations.attempts import current_attempt, record_attempt
from perdure.operations.model import Status
from perdure.operations.steps import StepTransaction, TransactionalSteps
from perdure.profiles import store as profiles
from perdure.profiles.model import ProfileStatus
from perdure.storage.pool import Connection, Pool, transaction

_ENDS = (COMPLETE.row_name, CLOSE.row_name)


class OnboardingActivities:
    """Given the pool, the steps' runner and the ledger."""

    def __init__(
        self, pool: Pool, steps: TransactionalSteps, ledger: LedgerStore[Connection]
    ) -> None:
        self._pool = pool
        self._steps = steps
        self._ledger = ledger

    @property
    def bodies(self) -> Bodies:
        """What does the work of the script's steps."""
        return {
            CREATE_PROFILE: self.create_profile,
            OPEN_ACCOUNTS: self.open_accounts,
            COMPLETE: self.complete,
            CLOSE: self.close,
        }

    async def create_profile(self, onboarding: OnboardingInput) -> Created:
        """Keep who the customer is.

        Raises:
            Conflict: `already_onboarded`; `profile_exists`: with other values.
            Refused: `customer_erased`.
        """
        profile = rules.profile_of(onboarding.request)
        customer_id = profile.customer_id

        async def body(work: StepTransaction) -> Created:
            if not await store.claim(work.connection, customer_id, work.operation.id):
                raise rules.already_onboarded(customer_id)
            reopened = await profiles.reopen_profile(work.connection, profile)
            if not reopened:
                await profiles.create_profile(work.connection, profile)
            work.move(Status.PROCESSING, action="profile_created")
            return Created(customer_id, reopened)

        return await self._steps.run(
            onboarding.operation_id, CREATE_PROFILE.row_name, onboarding, body, returns=Created
        )

    async def open_accounts(self, onboarding: OnboardingInput) -> Opened:
        """Open an account in each currency, and the house's own in it."""
        request = onboarding.request

        async def body(work: StepTransaction) -> Opened:
            await ensure_system_accounts(self._ledger, work.connection, request.currencies)
            found = []
            for currency in request.currencies:
                new = NewAccount(
                    id=derived_id(ACCOUNT, work.operation.id, currency),
                    name=f"Wallet {currency}",
                    kind=AccountKind.LIABILITY,
                    currency=currency,
                    customer_id=request.customer_id,
                )
                opened = await self._ledger.open_account(work.connection, new)
                found.append(opened.account.id)
            work.move(Status.PROCESSING, action="accounts_opened")
            return Opened(found)

        return await self._steps.run(
            onboarding.operation_id, OPEN_ACCOUNTS.row_name, onboarding, body, returns=Opened
        )

    async def complete(self, given: CompleteOnboarding) -> End:
        """Owe the welcome and the follow-up: the onboarding has succeeded."""
        onboarding = given.onboarding
        request, follow_up_s = onboarding.request, onboarding.options.follow_up_s

        async def body(work: StepTransaction) -> End:
            operation, connection = work.operation, work.connection
            if follow_up_s:
                due = utc_now() + timedelta(seconds=follow_up_s)
                await store.follow_up_at(connection, request.customer_id, operation.id, due)
            owed = await notifications.owe(connection, {operation.id: messages.welcome(request)})
            result = (operation.result or {}) | {"account_ids": given.opened.account_ids}
            work.move(Status.SUCCEEDED, action="completed", result=result)
            return End(Status.SUCCEEDED, notification_ids=owed[operation.id])

        return await self._steps.run(
            onboarding.operation_id, COMPLETE.row_name, given, body, returns=End, ends=_ENDS
        )

    async def close(self, given: CloseOnboarding) -> End:
        """Undo in reverse what was done, and owe the reason: it failed, or is cancelled."""
        onboarding, failure = given.onboarding, given.failure
        customer_id = onboarding.request.customer_id

        async def body(work: StepTransaction) -> End:
            operation, connection = work.operation, work.connection
            opened = await self._steps.stored(work, OPEN_ACCOUNTS.row_name, returns=Opened)
            for account_id in reversed(opened.account_ids if opened else []):
                account = await self._ledger.get_account(connection, account_id)
                if account.status != AccountStatus.CLOSED:
                    await self._ledger.set_account_status(
                        connection, account_id, AccountStatus.CLOSED
                    )
            if await store.release(connection, customer_id, operation.id):
                await profiles.close_profile(connection, customer_id)
            told = messages.failure_messages(given)
            owed = await notifications.owe(connection, {operation.id: told})
            status = Status.CANCELLED if failure.cancelled else Status.FAILED
            work.move(
                status,
                action="closed",
                reason=failure.message,
                failure=model.Failure(failure.code, failure.message, param=failure.param),
            )
            return End(status, failure, owed[operation.id])

        return await self._steps.run(
            onboarding.operation_id,
            CLOSE.row_name,
            given,
            body,
            returns=End,
            undoes=True,
            ends=_ENDS,
        )

    @activity.defn(name=FOLLOW_UP)
    @records_its_attempts
    async def follow_up(self, operation_id: str) -> list[str]:
        """Owe a customer the follow-up; returns its messages: none, where they have left."""
        async with transaction(self._pool) as connection:
            operation = await operations.lock(connection, operation_id)
            person = await profiles.get_profile(connection, operation.customer_id)
            is_erased = await profiles.is_erased(connection, operation.customer_id)
            stays = person.status == ProfileStatus.ACTIVE and not is_erased
            told = messages.follow_up(person) if stays else []
            owed = await notifications.owe(connection, {operation_id: told})
            await operations.note(
                connection,
                operation,
                actor=operations.SYSTEM,
                action="followed_up" if stays else "follow_up_dropped",
            )
            await record_attempt(
                connection, operation_id, current_attempt("follow_up"), outcome="succeeded"
            )
        return owed[operation_id]
