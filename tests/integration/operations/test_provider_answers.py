"""Answers that are not what was asked, and a no that is not one: neither ends in a second call."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from perdure.core.errors import (
    CALL_UNDER_WAY,
    InvalidInput,
    PerdureError,
    ProviderDeclined,
    ProviderDisagrees,
    ProviderOutcomeUnknown,
)
from perdure.operations import reporting, store
from perdure.operations.agreement import Expected
from perdure.operations.model import CUSTOMERS_KEY, Operation, Status
from perdure.operations.provider_call import ProviderCall
from perdure.operations.provider_calls import ProviderCalls
from perdure.storage.pool import Pool, transaction

from .conftest import NewOperationMaker
from .interleaving.outside import Clock

AMOUNT_MINOR = 1250
SLOW = ProviderOutcomeUnknown("It did not answer in time.")
IN_USE = ProviderOutcomeUnknown("409: the key is in use.", code=CALL_UNDER_WAY)
REJECTED = InvalidInput("422: it has been asked for before.", code="provider_rejected_request")
DECLINED = ProviderDeclined("Less is left of it.", code="refund_exceeds_charge")

LIES: dict[str, Any] = {
    "amount": {"amount_minor": 125_000},
    "currency": {"currency": "JPY"},
    "reference": {"reference": "pay_another"},
    "status": {"status": "requires_action"},
}


@dataclass(frozen=True)
class Charge:
    """What the provider has, or says that it has."""

    reference: str
    amount_minor: int = AMOUNT_MINOR
    currency: str = "USD"
    status: str = "succeeded"


@dataclass(frozen=True)
class Kept:
    """What is kept of it."""

    status: str


@dataclass
class Provider:
    """Charges at each call it takes, tells what it has, and answers as a test says.

    Attributes:
        answers: To the calls, one after the other: what is raised, or changes the truth.
        acts: Whether those that raise have charged before.
        says: Changes what it tells when it is asked.
        loses: It finds nothing when it is asked.
    """

    pool: Pool
    operation: Operation
    has: list[Charge] = field(default_factory=list)
    answers: list[Any] = field(default_factory=list)
    acts: bool = True
    says: dict[str, Any] = field(default_factory=dict)
    loses: bool = False
    calls: int = 0

    async def create(self) -> Charge:
        self.calls += 1
        answer = self.answers.pop(0) if self.answers else {}
        charge = Charge(self.operation.id)
        if self.acts or not isinstance(answer, BaseException):
            self.has.append(charge)
        if isinstance(answer, BaseException):
            raise answer
        return replace(charge, **answer)

    async def find(self) -> Charge | None:
        return replace(self.has[0], **self.says) if self.has and not self.loses else None

    def call(self, *, repeatable: bool = False) -> ProviderCall[Charge, Kept]:
        return ProviderCall(
            operation_id=self.operation.id,
            step="charge",
            provider="gateway",
            reference=self.operation.id,
            returns=Kept,
            timeout_s=5,  # of a clock that the tests turn
            create=self.create,
            find=self.find,
            expects=Expected(
                "gateway",
                {
                    "reference": self.operation.id,
                    "amount_minor": AMOUNT_MINOR,
                    "currency": "USD",
                },
                {"status": frozenset({"succeeded", "failed"})},
            ),
            outcome=lambda charge: Kept(charge.status),
            repeatable=repeatable,
            status_after=Status.WAITING,
        )

    async def row(self) -> tuple[str, Any]:
        """Return the call's state and what is kept of its answer."""
        row = await self.pool.fetchrow(
            "SELECT state, answer FROM provider_calls WHERE operation_id = $1", self.operation.id
        )
        assert row is not None
        return row["state"], row["answer"]


YES = Kept("succeeded")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def calls(pool: Pool, clock: Clock) -> ProviderCalls:
    return ProviderCalls(pool, clock=clock)


@pytest.fixture
async def provider(pool: Pool, accept: NewOperationMaker) -> Provider:
    return Provider(pool, await accept())


@pytest.mark.parametrize("lie", LIES)
async def test_an_answer_that_differs_is_no_success_and_what_the_inquiry_says_decides(
    pool: Pool, calls: ProviderCalls, provider: Provider, lie: str
) -> None:
    provider.answers, provider.says = [LIES[lie]], LIES[lie]
    with pytest.raises(ProviderDisagrees) as caught:
        await calls.get_or_create(provider.call())
    ((name, said),) = LIES[lie].items()
    assert f"{name} {said!r}" in caught.value.message
    state, kept = await provider.row()
    assert (state, kept["said"][name]) == ("unknown", said)
    assert (await store.get(pool, provider.operation.id)).status == Status.UNKNOWN
    provider.says = {}
    assert await calls.get_or_create(provider.call()) == YES
    assert (await provider.row())[0] == "answered"
    assert (await store.get(pool, provider.operation.id)).status == Status.WAITING
    assert provider.calls == 1


async def test_what_is_half_done_says_nothing_as_long_as_its_call_may_be_under_way(
    calls: ProviderCalls, provider: Provider, clock: Clock
) -> None:
    provider.answers, provider.says = [asyncio.CancelledError()], LIES["status"]
    with pytest.raises(asyncio.CancelledError):
        await calls.get_or_create(provider.call())
    with pytest.raises(ProviderOutcomeUnknown, match="may still be under way"):
        await calls.get_or_create(provider.call())
    assert await provider.row() == ("intended", None)
    clock.pass_s(11)
    with pytest.raises(ProviderDisagrees):
        await calls.get_or_create(provider.call())
    assert provider.calls == 1


@pytest.mark.parametrize("lie", LIES)
async def test_one_that_was_wrong_on_its_way_is_asked_about_in_the_same_attempt(
    pool: Pool, calls: ProviderCalls, provider: Provider, lie: str
) -> None:
    provider.answers = [LIES[lie]]
    assert await calls.get_or_create(provider.call()) == YES
    actions = [entry.action for entry in await reporting.trail(pool, provider.operation.id)]
    assert actions[-2:] == ["charge_disagrees", "charge_answered"]
    assert provider.calls == 1


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("first", [SLOW, {}], ids=["lost", "answered otherwise"])
async def test_a_difference_that_remains_is_never_called_again_until_it_is_gone(
    calls: ProviderCalls, provider: Provider, clock: Clock, lie: str, first: Any
) -> None:
    provider.answers, provider.says = [first or LIES[lie]], LIES[lie]
    with pytest.raises((ProviderOutcomeUnknown, ProviderDisagrees)):
        await calls.get_or_create(provider.call())
    for ask in (calls.get_or_create, calls.resolve, calls.get_or_create):
        clock.pass_s(60)
        with pytest.raises(ProviderDisagrees) as caught:
            await ask(provider.call())
        unknown = lie == "status"
        assert caught.value.code == ("provider_status_unknown" if unknown else "provider_disagrees")
    # The provider corrects its books, and an operator resumes.
    provider.says = {}
    assert await calls.resolve(provider.call()) == YES
    assert provider.calls == 1


async def test_a_call_that_was_answered_and_is_not_found_is_not_made_again(
    calls: ProviderCalls, provider: Provider, clock: Clock
) -> None:
    provider.answers, provider.loses = [LIES["reference"]], True
    with pytest.raises(ProviderDisagrees, match=r"'pay_another' instead of .* knows of none"):
        await calls.get_or_create(provider.call())
    provider.loses = False
    booked_elsewhere, provider.has = provider.has, []
    clock.pass_s(3_600)
    for ask in (calls.get_or_create, calls.resolve, calls.left_behind):
        with pytest.raises(ProviderDisagrees, match="knows of none"):
            await ask(provider.call())
    provider.has = booked_elsewhere
    assert await calls.get_or_create(provider.call()) == YES
    assert provider.calls == 1


async def test_one_whose_repeats_are_known_as_such_is_made_again(
    calls: ProviderCalls, provider: Provider
) -> None:
    provider.answers, provider.loses = [LIES["reference"]], True
    with pytest.raises(ProviderDisagrees, match="'pay_another' instead of"):
        await calls.get_or_create(provider.call(repeatable=True))
    assert await calls.get_or_create(provider.call(repeatable=True)) == YES
    assert provider.calls == 2


async def test_a_repeat_that_meets_a_key_in_use_is_not_refused_and_the_first_call_counts(
    pool: Pool, calls: ProviderCalls, provider: Provider, clock: Clock
) -> None:
    provider.acts, provider.answers = False, [SLOW, IN_USE]
    for _ in range(2):
        with pytest.raises(ProviderOutcomeUnknown):
            await calls.get_or_create(provider.call())
        clock.pass_s(11)
    # The provider is still at work: what it has not got yet says nothing.
    with pytest.raises(ProviderOutcomeUnknown, match="may still be under way"):
        await calls.resolve(provider.call())
    assert (await store.get(pool, provider.operation.id)).status == Status.UNKNOWN
    provider.has = [Charge(provider.operation.id)]
    assert await calls.get_or_create(provider.call()) == YES
    assert provider.calls == 2
    assert len(provider.has) == 1


async def test_a_key_in_use_is_no_answer_at_a_first_attempt_either(
    calls: ProviderCalls, provider: Provider
) -> None:
    provider.answers = [IN_USE]
    with pytest.raises(ProviderOutcomeUnknown):
        await calls.get_or_create(provider.call())
    assert await calls.get_or_create(provider.call()) == YES
    assert provider.calls == 1


@pytest.mark.parametrize("no", [REJECTED, DECLINED], ids=["rejected", "declined"])
async def test_a_no_to_a_repeat_is_not_believed_where_the_call_before_was_done(
    calls: ProviderCalls, provider: Provider, clock: Clock, no: PerdureError
) -> None:
    provider.acts, provider.answers = False, [SLOW]
    with pytest.raises(ProviderOutcomeUnknown):
        await calls.get_or_create(provider.call())
    clock.pass_s(11)
    # The first call arrives, and the second is refused for it.
    provider.acts, provider.answers = True, [no]
    assert await calls.get_or_create(provider.call()) == YES
    assert (await provider.row())[0] == "answered"
    assert provider.calls == 2


@pytest.mark.parametrize(("no", "state"), [(REJECTED, "unknown"), (DECLINED, "refused")])
async def test_of_a_call_that_was_repeated_only_a_documented_no_is_final(
    calls: ProviderCalls,
    provider: Provider,
    clock: Clock,
    no: PerdureError,
    state: str,
) -> None:
    provider.acts, provider.answers = False, [SLOW, no]
    with pytest.raises(ProviderOutcomeUnknown):
        await calls.get_or_create(provider.call())
    clock.pass_s(11)
    with pytest.raises(ProviderDeclined if state == "refused" else ProviderOutcomeUnknown):
        await calls.get_or_create(provider.call())
    assert (await provider.row())[0] == state
    assert provider.calls == 2


@pytest.mark.parametrize("no", [REJECTED, DECLINED], ids=["rejected", "declined"])
async def test_a_no_to_the_first_call_is_final_and_stays_what_it_was(
    calls: ProviderCalls, provider: Provider, no: PerdureError
) -> None:
    provider.acts, provider.answers = False, [no]
    for _ in range(2):
        with pytest.raises(type(no)) as caught:
            await calls.get_or_create(provider.call())
        assert (caught.value.code, caught.value.message) == (no.code, no.message)
    assert provider.calls == 1


async def test_a_question_that_is_refused_is_no_answer_to_the_call(
    calls: ProviderCalls, provider: Provider, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider.answers = [SLOW]
    with pytest.raises(ProviderOutcomeUnknown):
        await calls.get_or_create(provider.call())
    clock.pass_s(11)

    async def refused() -> Charge | None:
        raise REJECTED

    with monkeypatch.context() as patch:
        patch.setattr(provider, "find", refused)
        for ask in (calls.get_or_create, calls.resolve, calls.left_behind):
            with pytest.raises(ProviderOutcomeUnknown, match="could not be asked"):
                await ask(provider.call())
    assert await calls.resolve(provider.call()) == YES


@pytest.mark.parametrize("no", [REJECTED, DECLINED], ids=["rejected", "declined"])
async def test_undoing_asks_even_after_a_no(
    calls: ProviderCalls, provider: Provider, no: PerdureError
) -> None:
    provider.answers = [no]
    with pytest.raises(type(no)):
        await calls.get_or_create(provider.call())
    assert await calls.left_behind(provider.call()) == Charge(provider.operation.id)
    assert (await provider.row())[0] == "answered"


async def test_undoing_is_told_what_is_there_be_it_more_than_was_asked_for(
    calls: ProviderCalls, provider: Provider
) -> None:
    provider.answers, provider.says = [LIES["amount"]], LIES["amount"]
    with pytest.raises(ProviderDisagrees):
        await calls.get_or_create(provider.call())
    left = await calls.left_behind(provider.call())
    assert left == Charge(provider.operation.id, 125_000)
    assert (await provider.row())[0] == "answered"


async def test_undoing_leaves_alone_what_has_another_reference(
    calls: ProviderCalls, provider: Provider
) -> None:
    provider.says = LIES["reference"]
    await calls.get_or_create(provider.call())
    with pytest.raises(ProviderDisagrees, match="'pay_another' instead of"):
        await calls.left_behind(provider.call())


@pytest.mark.parametrize("first", [{}, LIES["reference"]], ids=["agreed", "differed"])
async def test_what_was_answered_and_is_not_found_is_nothing_once_the_house_has_seen_to_it(
    pool: Pool, calls: ProviderCalls, provider: Provider, first: dict[str, Any]
) -> None:
    provider.answers, provider.loses = [first], True
    with suppress(ProviderDisagrees):
        await calls.get_or_create(provider.call())
    provider.has = []
    with pytest.raises(ProviderDisagrees, match="go on once none is left") as caught:
        await calls.left_behind(provider.call())

    async def note(actor: str, action: str, **more: Any) -> None:
        async with transaction(pool) as connection:
            row = await store.get(connection, provider.operation.id)
            await store.note(connection, row, actor=actor, action=action, **more)

    await note("ada", "relaunched", reason="She was not told yet.")
    await note("system", "parked", reason=caught.value.message)
    await note(f"{CUSTOMERS_KEY}1", "relaunched", reason="A customer.")
    await note("ada", "relaunched", reason="All of them.", data={"bulk_id": "blk_1"})
    with pytest.raises(ProviderDisagrees):
        await calls.left_behind(provider.call())
    await note("ada", "relaunched", reason="The stray charge is voided there.")
    assert await calls.left_behind(provider.call()) is None
    assert (await provider.row())[0] == ("not_made" if first else "answered")


async def test_what_was_never_called_or_never_seen_leaves_nothing_behind(
    calls: ProviderCalls, provider: Provider, clock: Clock
) -> None:
    assert await calls.left_behind(provider.call()) is None
    provider.acts, provider.answers = False, [SLOW]
    with pytest.raises(ProviderOutcomeUnknown):
        await calls.get_or_create(provider.call())
    with pytest.raises(ProviderOutcomeUnknown, match="may still be under way"):
        await calls.left_behind(provider.call())
    clock.pass_s(11)
    assert await calls.left_behind(provider.call()) is None
    assert (await provider.row())[0] == "not_made"
