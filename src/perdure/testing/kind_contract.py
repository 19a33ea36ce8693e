"""What holds for every kind that an account pays for and a provider is asked for: its tests.

Whoever writes a kind inherits it in a test module of their own, and says what is asked for and how
its provider, or a simulator of it, is run:

    class TestGiftcards(KindContract):
        plural = "giftcards"
        asks = {"item": "standard"}
        asks_refused, refused_code = {"item": "sold_out"}, "sold_out"

        @asynccontextmanager
        async def open_provider(self, folder: Path) -> AsyncIterator[str]:
            async with open_simulator(folder) as url:
                yield url

        def environment(self, url: str) -> dict[str, str]:
            return {"PERDURE_GIFTCARDS_URL": url, "PERDURE_GIFTCARDS_TIMEOUT_S": "1"}

        async def standing(self, url: str, operation_id: str) -> int:
            ...

It needs pytest and pytest-asyncio, with `asyncio_mode = "auto"` and both loop scopes `"session"`,
and the fixtures of `perdure.testing.plugin`.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Final
from uuid import uuid4

import pytest
from temporalio.client import Client, WorkflowHistory
from temporalio.service import RPCError
from temporalio.worker import Replayer

from perdure.bootstrap import interceptors
from perdure.capabilities import ALLOWED, BUILT_IN, attribute, load
from perdure.capability import books
from perdure.capability.assembly import pure_modules
from perdure.core.errors import PerdureError
from perdure.core.notes import notes_of
from perdure.durable.sandbox import sandboxed_runner
from perdure.operations.model import Operation
from perdure.operations.steps import from_json
from perdure.testing.house import open_house
from perdure.testing.polls import eventually
from perdure.testing.scene import BY, Scene
from perdure.testing.wire import CUT, CUT_AFTER, SILENT_AFTER, AnyWire, Fault, open_wire

FUNDS_MINOR: Final = 100_000
AMOUNT_MINOR: Final = 1_000


@asynccontextmanager
async def open_scene(
    contract: "KindContract", postgres_url: str, client: Client, folder: Path
) -> AsyncIterator[Scene]:
    """Open the platform with a kind, which its package brings or which is built in."""
    with pytest.MonkeyPatch.context() as environment:
        if contract.plural not in BUILT_IN:
            environment.setenv(ALLOWED, json.dumps([contract.plural]))
        async with (
            contract.open_provider(folder / "provider") as server,
            contract.open_wire(server) as wire,
        ):
            for name, value in contract.environment(wire.url).items():
                environment.setenv(name, value)
            async with open_house(postgres_url, client, folder) as house:
                yield Scene(house, wire, server, load(contract.plural))


@dataclass(frozen=True)
class Case:
    """One operation under test, and the account that pays for it."""

    operation: Operation
    account: dict[str, str]

    @property
    def id(self) -> str:
        """The operation's."""
        return self.operation.id


class KindContract:
    """What becomes of an operation, whatever happens to it, in every gear; see the module."""

    plural: ClassVar[str]
    asks: ClassVar[Mapping[str, Any]] = {}
    """The fields of a request that succeeds, beside its customer, account, amount and currency."""
    asks_refused: ClassVar[Mapping[str, Any]]
    """Those of one that the provider refuses."""
    refused_code: ClassVar[str]
    """What it fails with."""
    statuses: ClassVar[Sequence[str]] = ("pending", "processing", "succeeded")
    """Those of one that succeeds, in their order."""
    corrects: ClassVar[Mapping[str, Any]] = {"description": "corrected"}
    """What an operator may change of it as long as the provider has done nothing."""
    costs_minor: ClassVar[int] = AMOUNT_MINOR
    """What the account pays for one that succeeds."""
    not_taken_in: ClassVar[Mapping[str, Any]] = {"amount_minor": 2 * FUNDS_MINOR}
    """The fields of one that is refused at once."""
    looks_at: ClassVar[str] = ""
    """The path that the provider is asked at before it is to do anything; empty: it is not."""
    tld: ClassVar[str] = ""
    """Whose registry the provider is; empty: it is none."""

    def open_provider(self, folder: Path) -> AbstractAsyncContextManager[str]:
        """Run the provider, or a simulator of it, while the context is open; yields its URL."""
        raise NotImplementedError

    def environment(self, url: str) -> dict[str, str]:
        """Return the variables by which the kind finds its provider; a time-out of 1 s is best."""
        raise NotImplementedError

    async def standing(self, url: str, operation_id: str) -> int:
        """Return how many effects of an operation stand in the provider's own books."""
        raise NotImplementedError

    async def asked(
        self,
        scene: Scene,  # noqa: ARG002 - for what has to be there before
        asks: Mapping[str, Any],
        account: Mapping[str, str],
    ) -> dict[str, Any]:
        """Return what a request says; each asks for something of its own.

        Args:
            asks: `asks`, or `asks_refused`.
            account: The account that pays: `account_id`, `customer_id`, `currency`.
        """
        return {**account, "amount_minor": AMOUNT_MINOR, **asks}

    def open_wire(self, server: str) -> AbstractAsyncContextManager[AnyWire]:
        """Lay the wire that it calls its provider over; by default of HTTP."""
        return open_wire(server)

    async def take_in(self, scene: Scene, asked: Mapping[str, Any], lane: int | None) -> Operation:
        """Have one be accepted; it does not begin yet.

        Raises:
            PerdureError: It was refused.
        """
        request: Any = from_json(scene.kind.request, dict(asked))
        acceptance = scene.house.platform.kinds.acceptance(scene.kind.name)
        async with scene.house.platform.operations.transaction() as connection:
            (found,) = await acceptance.accept_many(
                connection, [request], actor=BY.actor, lanes=[lane]
            )
        if isinstance(found, PerdureError):
            raise found
        return found

    async def test_it_succeeds_once_and_is_paid(self, scene: Scene) -> None:
        """The money is taken, the provider has done it once, and no cancel undoes it."""
        for case in await self._all_begun(scene, self.asks):
            assert await self._ended(scene, case) == ("succeeded", None)
            assert await self.standing(scene.server, case.id) == 1
            assert await self._moved_minor(scene, case) == self.costs_minor
            assert await scene.house.statuses(case.id) == [*self.statuses]
            assert not await self._cancelled(scene, case)

    async def test_the_providers_no_gives_everything_back(self, scene: Scene) -> None:
        """It fails with the provider's reason; launched again, it is asked for again."""
        for case in await self._all_begun(scene, self.asks_refused):
            assert await self._ended(scene, case) == ("failed", self.refused_code)
            assert await self.standing(scene.server, case.id) == 0
            assert await self._moved_minor(scene, case) == 0
            if not scene.kind.is_created:
                continue  # nobody asks for it, and so nobody asks again
            again = await scene.house.platform.operations.actions.relaunch(case.id, BY)
            scene.begun.append(again.operation.id)
            relaunched = Case(again.operation, case.account)
            assert await self._ended(scene, relaunched) == ("failed", self.refused_code)
            for one in (case, relaunched):
                assert await self.standing(scene.server, one.id) == 0
            assert await self._moved_minor(scene, case) == 0

    @pytest.mark.parametrize(
        "fault",
        [CUT_AFTER, SILENT_AFTER, Fault(arrives=True, status=503)],
        ids=["cut", "silent", "503"],
    )
    async def test_a_lost_answer_is_found_out(self, scene: Scene, fault: Fault) -> None:
        """What was done is not done again."""
        with scene.wire.fault(fault, acts_only=True):
            cases = await self._all_begun(scene, self.asks)
            for case in cases:
                await self._until_standing(scene, case)
        for case in cases:
            assert await self._ended(scene, case) == ("succeeded", None)
            assert await self.standing(scene.server, case.id) == 1
            assert await self._moved_minor(scene, case) == self.costs_minor

    async def test_it_is_cancelled_while_its_provider_is_away(self, scene: Scene) -> None:
        """Nothing was done, and the money is free again."""
        with scene.wire.fault(CUT):
            before = scene.wire.requests
            cases = await self._all_begun(scene, self.asks)
            await eventually(lambda: scene.wire.requests - before >= len(cases))
            for case in cases:
                assert await self._cancelled(scene, case)
        await self._check_undone(scene, cases)

    async def test_it_is_cancelled_after_an_effect_that_nobody_heard_of(self, scene: Scene) -> None:
        """What the provider did is found, and undone."""
        # One after the other: over one connection, an answer that is cut may cut another's call.
        for lane in scene.gears:
            with scene.wire.fault(CUT_AFTER, spares=self.looks_at):
                (case,) = await self._all_begun(scene, self.asks, gears=[lane])
                await self._until_standing(scene, case)
                assert await self._cancelled(scene, case)
            await self._check_undone(scene, [case])

    async def test_it_is_cancelled_before_it_begins(self, scene: Scene) -> None:
        """The request is on the row before the workflow is."""
        account = await scene.house.account(funds_minor=FUNDS_MINOR)
        operations = scene.house.platform.operations
        asked = await self.asked(scene, self.asks, account)
        case = Case(await self.take_in(scene, asked, None), account)
        scene.begun.append(case.id)
        assert await self._cancelled(scene, case)
        await operations.launch(await operations.get(case.id))
        await self._check_undone(scene, [case])

    async def test_an_operator_corrects_it_and_it_goes_on(self, scene: Scene) -> None:
        """Parked while the provider lets nobody in; what is asked for then is what is done."""
        with scene.wire.fault(Fault(status=401)):
            before = scene.wire.requests
            (case,) = await self._all_begun(scene, self.asks, gears=[None])
            await eventually(lambda: scene.wire.requests > before)
            actions: dict[str, dict[str, Any]] = {"park": {}, "correct": {"patch": self.corrects}}
            for action, more in actions.items():
                path = f"/v1/operations/{case.id}/{action}"
                answer = await scene.house.api.post(path, json={"reason": BY.reason, **more})
                assert answer.status_code == 200, answer.text
        assert await self._ended(scene, case) == ("succeeded", None)
        request = (await scene.house.platform.operations.get(case.id)).input["request"]
        assert request == request | self.corrects
        assert await self._moved_minor(scene, case) == self.costs_minor

    async def test_a_bulk_of_refunds_gives_everything_back(self, scene: Scene) -> None:
        """The provider takes each effect back, then the money is the customer's again."""
        if not scene.kind.is_refundable:
            pytest.skip(f"{scene.kind.plural} are not refunded")
        cases = await self._all_begun(scene, self.asks)
        for case in cases:
            assert await self._ended(scene, case) == ("succeeded", None)
        body = {"action": "refund", "reason": BY.reason, "ids": [case.id for case in cases]}
        answer = await scene.house.api.post("/v1/bulks", json=body)
        assert answer.status_code == 201, answer.text
        for case in cases:
            refund = await eventually(partial(self._refund_of, scene, case))
            ended = await scene.house.end_of(refund)
            assert (ended.status, ended.failure) == ("succeeded", None)
            assert await self.standing(scene.server, case.id) == 0
            assert await self._moved_minor(scene, case) == 0

    async def test_its_life_by_the_api(self, scene: Scene) -> None:
        """Asked for twice with one key, it is taken in once; shown, listed, and found by status."""
        self._skip_unless_created(scene)
        api, path = scene.house.api, f"/v1/{scene.kind.plural}"
        account = await scene.house.account(funds_minor=FUNDS_MINOR)
        body = await self.asked(scene, self.asks, account)
        key = {"Idempotency-Key": uuid4().hex}
        first, second = [await api.post(path, json=body, headers=key) for _ in range(2)]
        assert (first.status_code, second.status_code) == (201, 201), first.text
        found = first.json()
        assert second.json()["id"] == found["id"]
        scene.begun.append(found["id"])
        await scene.house.end_of(found["id"])
        shown = (await api.get(f"{path}/{found['id']}")).json()
        assert (shown["object"], shown["status"]) == (scene.kind.name, "succeeded")
        listed = (await api.get(path, params={"customer_id": account["customer_id"]})).json()
        assert [one["id"] for one in listed["data"]] == [found["id"]]
        refused = await api.post(path, json={**body, **self.not_taken_in})
        assert refused.status_code in {402, 404, 409, 422}, refused.text

    async def test_its_life_by_the_commands(self, scene: Scene) -> None:
        """Created from a shell, and followed there to its end."""
        self._skip_unless_created(scene)
        account = await scene.house.account(funds_minor=FUNDS_MINOR)
        asked = await self.asked(scene, self.asks, account)
        notes = notes_of(scene.kind.request)
        options = [
            text
            for name, value in asked.items()
            for text in (f"--{notes[name].option or name.replace('_', '-')}", str(value))
        ]
        created = json.loads(await scene.command("create", *options, "--output", "json"))
        scene.begun.append(created["id"])
        assert "succeeded" in await scene.command("watch", created["id"])
        shown = json.loads(await scene.command("get", created["id"], "--output", "json"))
        assert shown == shown | asked

    async def test_its_histories_replay(self, scene: Scene) -> None:
        """The script that ran is the one that is run again after a crash."""
        await self._all_begun(scene, self.asks)
        for begun in scene.begun:
            await scene.house.end_of(begun)
        workflows = [workflow for work in scene.house.registrations for workflow in work.workflows]
        replayer = Replayer(
            workflows=workflows,
            data_converter=scene.house.platform.client.data_converter,
            interceptors=interceptors(scene.house.platform),
            workflow_runner=sandboxed_runner(pure_modules()),
        )
        histories = [found for one in scene.begun if (found := await _history(scene, one))]
        assert histories, "nothing had a workflow of its own"
        for history in histories:
            await replayer.replay_workflow(history)

    async def test_the_books_agree(self, scene: Scene) -> None:
        """After all that, `verify` finds nothing: in ours, and in the provider's own."""
        (case,) = await self._all_begun(scene, self.asks, gears=[None])
        for found in {*scene.begun, case.id}:
            await scene.house.end_of(found)
        told: list[books.Books[Any]] = [attribute(place) for place in scene.kind.books]
        own = {each.name: {self.tld: each.role.at(scene.server, self.tld)} for each in told}
        platform = scene.house.platform
        assert await books.violations(platform.pool, own, balances=platform.balances) == []

    def _skip_unless_created(self, scene: Scene) -> None:
        if not scene.kind.is_created:
            pytest.skip(f"nobody asks for {scene.kind.plural}")

    async def _all_begun(
        self, scene: Scene, asks: Mapping[str, Any], *, gears: list[int | None] | None = None
    ) -> list[Case]:
        """Begin one in each gear."""

        async def begun(lane: int | None) -> Case:
            account = await scene.house.account(funds_minor=FUNDS_MINOR)
            accepted = await self.take_in(scene, await self.asked(scene, asks, account), lane)
            await scene.begin(accepted)
            return Case(accepted, account)

        return await asyncio.gather(*(begun(lane) for lane in gears or scene.gears))

    async def _ended(self, scene: Scene, case: Case) -> tuple[str, str | None]:
        ended = await scene.house.end_of(case.id)
        return ended.status, ended.failure.code if ended.failure else None

    async def _refund_of(self, scene: Scene, case: Case) -> str | None:
        return (await scene.house.platform.operations.get(case.id)).refunded_by

    async def _moved_minor(self, scene: Scene, case: Case) -> int:
        balance = await scene.house.balance(case.account)
        assert balance.available_minor == balance.posted_minor, "something is still held"
        return FUNDS_MINOR - balance.posted_minor

    async def _cancelled(self, scene: Scene, case: Case) -> bool:
        answer = await scene.house.platform.operations.cancel(
            case.id, actor=BY.actor, reason=BY.reason
        )
        return answer.accepted

    async def _until_standing(self, scene: Scene, case: Case) -> None:
        await eventually(lambda: self.standing(scene.server, case.id))

    async def _check_undone(self, scene: Scene, cases: list[Case]) -> None:
        for case in cases:
            assert await self._ended(scene, case) == ("cancelled", "cancelled")
            assert await self.standing(scene.server, case.id) == 0
            assert await self._moved_minor(scene, case) == 0


async def _history(scene: Scene, operation_id: str) -> WorkflowHistory | None:
    """Return what its own workflow did; None: a lane carried it out."""
    handle = scene.house.platform.client.get_workflow_handle(operation_id)
    try:
        return await handle.fetch_history()
    except RPCError:
        return None
