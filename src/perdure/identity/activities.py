"""The identity service's steps: at the verifier, and on our database."""

from typing import Final

from perdure.core.check_states import ENDED, CheckState
from perdure.core.errors import InvalidInput, ProviderDeclined, ProviderDisagrees, Refused
from perdure.core.script import Bodies
from perdure.durable.interceptors.operation_sync import records_its_attempts
from perdure.identity import process
from perdure.identity import store as identities
from perdure.identity.contracts import IDENTITY, Found, IdentityCheck, Seen, SeenCheck
from perdure.identity.messages import messages_about, wanted_in_words
from perdure.notifications import store as notifications
from perdure.notifications.contracts import Party
from perdure.operations import store
from perdure.operations.agreement import Expected
from perdure.operations.attempts import current_attempt, record_attempt
from perdure.operations.model import Status
from perdure.operations.provider_call import ProviderCall
from perdure.operations.provider_calls import ProviderCalls
from perdure.operations.steps import TransactionalSteps
from perdure.operations.taking_back import take_back
from perdure.profiles import store as profiles
from perdure.profiles.model import ProfileStatus
from perdure.providers.identity import CHECK_STATES, Check, IdentityVerifier
from perdure.storage.pool import Pool, transaction

NOT_CHECKED: Final = "identity_not_checked"
"""The code where the verifier does not check a person at all."""
CUSTOMER_LEFT: Final = "customer_left"


class IdentityActivities:
    """Given the verifier, and what makes calls once.

    Args:
        callback_url: Where the verifier tells us that there is something new.
        timeout_s: The longest one call may take, in seconds.
    """

    def __init__(
        self,
        pool: Pool,
        steps: TransactionalSteps,
        calls: ProviderCalls,
        verifier: IdentityVerifier,
        *,
        callback_url: str,
        timeout_s: float,
    ) -> None:
        self._pool = pool
        self._steps = steps
        self._calls = calls
        self._verifier = verifier
        self._callback_url = callback_url
        self._timeout_s = timeout_s

    @property
    def bodies(self) -> Bodies:
        """What does the work of the steps."""
        return {
            **dict.fromkeys(process.BEGINNINGS, self.begin),
            process.RESOLVE: self.resolve,
            process.LOOK: self.look,
            process.CALL_OFF: self.call_off,
            process.RECORD: self.record,
        }

    @records_its_attempts
    async def begin(self, check: IdentityCheck) -> Seen:
        """Have the verifier begin a check, once.

        Raises:
            ProviderDeclined: It does not check this person.
            ProviderError: Not done, or not known; try again.
            ProviderDisagrees: It began the check of somebody else.
        """
        return await self._calls.get_or_create(self._call(check))

    async def resolve(self, check: IdentityCheck) -> Found:
        """Find out what became of a call whose answer was lost."""
        found = await self._calls.resolve(self._call(check))
        return Found(found)

    async def look(self, check: IdentityCheck) -> Seen:
        """Ask the verifier how a check stands.

        Raises:
            OperationParked: An operator holds the operation.
            ProviderDisagrees: What it has is not the check that it began, or is somebody else's.
            ProviderError: It gave no answer; ask again.
        """
        await self._steps.check_not_parked(check.operation_id)
        begun = await self._calls.resolve(self._call(check))
        assert begun is not None, f"{check.reference} is waited for, and was not begun"
        found = await self._verifier.find(check.reference)
        if found is None:
            raise ProviderDisagrees(
                f"The verifier has no check under {check.reference}, where it began"
                f" {begun.check_id}."
            )
        _expected(check, id=begun.check_id).check(found)
        return _seen(found)

    async def call_off(self, check: IdentityCheck) -> Found:
        """Have the verifier end a check, if it began one."""
        left = await take_back(
            self._steps,
            self._calls,
            self._call(check),
            self._verifier.call_off,
            status=lambda done: done.status if done.status in ENDED else CheckState.EXPIRED,
        )
        return Found(left)

    @records_its_attempts
    async def record(self, given: SeenCheck) -> list[str]:
        """Keep how a check stands, and owe the person what they are to be told."""
        operation_id = given.check.operation_id
        async with transaction(self._pool) as connection:
            operation = await store.lock(connection, operation_id)
            if await identities.keep(connection, given):
                await store.note(
                    connection,
                    operation,
                    # The house's own, so that no customer is shown what the verifier's codes say.
                    actor=IDENTITY,
                    action=f"identity_{given.seen.status}",
                    data={"check_id": given.seen.check_id, "reasons": given.seen.reasons},
                )
                await connection.execute(
                    "UPDATE operations SET result = coalesce(result, '{}') || $2 WHERE id = $1",
                    operation_id,
                    {"identity": _shown(given.seen)},
                )
            person = await profiles.get_profile(connection, given.check.customer_id)
            told = messages_about(given, Party(person.full_name, person.email, person.phone))
            owed = await notifications.owe(connection, {operation_id: told})
            await record_attempt(
                connection, operation_id, current_attempt("record_check"), outcome="succeeded"
            )
        return owed[operation_id]

    def _call(self, check: IdentityCheck) -> ProviderCall[Check, Seen]:
        step = process.BEGINNINGS[check.number - 1].row_name
        return ProviderCall(
            operation_id=check.operation_id,
            step=f"{step}_again_{check.again}" if check.again else step,
            provider=IDENTITY,
            reference=check.reference,
            returns=Seen,
            timeout_s=self._timeout_s,
            create=lambda: self._begin(check),
            find=lambda: self._verifier.find(check.reference),
            expects=_expected(check),
            outcome=_seen,
            status_after=Status.WAITING,
            # One that is made again comes after the operation's end.
            undoes=bool(check.again),
            moves=not check.again,
            repeatable=True,
        )

    async def _begin(self, check: IdentityCheck) -> Check:
        person = await profiles.get_profile(self._pool, check.customer_id)
        if person.status != ProfileStatus.ACTIVE:
            raise Refused(f"Customer {check.customer_id} has left.", code=CUSTOMER_LEFT)
        assert person.email is not None
        assert person.birth_date is not None
        assert person.country is not None, "an active profile is whole"
        try:
            return await self._verifier.begin(
                reference=check.reference,
                customer_id=check.customer_id,
                full_name=person.full_name,
                birth_date=person.birth_date,
                country=person.country,
                email=person.email,
                phone=person.phone,
                callback_url=self._callback_url,
            )
        except (ProviderDeclined, InvalidInput) as no:
            # In our words: the verifier's are not for the person, who is shown them.
            raise ProviderDeclined("Your identity cannot be checked.", code=NOT_CHECKED) from no


def _expected(check: IdentityCheck, **more: str) -> Expected:
    says = {"reference": check.reference, "customer_id": check.customer_id, **more}
    return Expected(IDENTITY, says, {"status": CHECK_STATES})


def _seen(check: Check) -> Seen:
    return Seen(
        check.id,
        check.status,
        list(check.wanted),
        check.input_url,
        list(check.reasons),
        check.approved_until,
    )


def _shown(seen: Seen) -> dict[str, object]:
    """Return what the operation's view shows of a check."""
    asks = CheckState(seen.status) not in ENDED
    return {
        "status": seen.status,
        "wanted": wanted_in_words(seen.wanted),
        "url": seen.input_url if asks else None,
    }
