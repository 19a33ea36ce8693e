"""Transfers carried out by whoever is started, in the order of a schedule, killed as it says."""

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final, TypeVar
from uuid import uuid4

from perdure.core.errors import Conflict
from perdure.core.ids import ACCOUNT, TRANSFER, new_id
from perdure.ledger.chart import SystemAccount, ensure_system_accounts, system_account_id
from perdure.ledger.model import AccountKind, NewAccount, NewTransfer
from perdure.ledger.store_postgres import PostgresLedger
from perdure.notifications.contracts import Party
from perdure.operations import store
from perdure.operations.actions import OperatorActions
from perdure.operations.cancellation import request_cancel
from perdure.operations.engine import RunState
from perdure.operations.lanes import store as lanes
from perdure.operations.lanes.steps import Postponed, Promoted
from perdure.operations.model import By, Operation
from perdure.operations.steps import from_json
from perdure.storage.pool import Connection, Pool, transaction
from perdure.transfers.contracts import TransferInput, TransferRequest
from tests.acceptances import transfers_at

from .gates import RUNNER, Gates, Point
from .outside import AMOUNT_MINOR, Answer, Bank, Clock, Sms
from .processes import TRIES_MAX, OwnScript, Process

Result = TypeVar("Result")

_RELAUNCHES_MAX = 10
_ROUNDS_MAX = 2_000


ADA: Final = By("ada", "A test wants it.")


class NoEngine:
    """Told that something goes on; who carries operations out is in the schedule."""

    async def run_state(self, operation_id: str) -> RunState:
        return RunState.RUNNING

    async def signal_cancel(self, operation_id: str, *, actor: str, reason: str) -> None: ...

    async def signal_resume(self, operation_id: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Beginning:
    """What a schedule finds.

    Args:
        transfers: How many, of one account.
        covered: How many of them the account covers.
        in_lanes: Whether they were accepted into a lane.
        is_interactive: Whether that is one of those that somebody waits for.
    """

    transfers: int = 1
    covered: int = 1
    in_lanes: bool = True
    is_interactive: bool = False
    payouts: Sequence[Answer] = ()
    recalls: Sequence[Answer] = ()
    inquiries: Sequence[bool] = ()
    texts: Sequence[Answer] = ()

    @property
    def lane(self) -> int | None:
        """The lane they were accepted into."""
        if not self.in_lanes:
            return None
        return lanes.interactive_lane(0) if self.is_interactive else 0


@dataclass(slots=True)
class Runner:
    """Somebody who carries a transfer out."""

    number: int
    process: Process
    task: "asyncio.Task[None]"


@dataclass
class World:
    """Everything there is, for one schedule."""

    pool: Pool
    gates: Gates
    clock: Clock
    bank: Bank
    sms: Sms
    account_id: str
    funds_minor: int
    operations: list[Operation]
    processes: list[Process] = field(default_factory=list)
    runners: list[Runner] = field(default_factory=list)
    _releases: dict[str, "asyncio.Task[None]"] = field(default_factory=dict)

    @classmethod
    async def open(cls, pool: Pool, observer: Connection, beginning: Beginning) -> "World":
        """Open an account, and accept transfers from it."""
        gates, clock = Gates(observer), Clock()
        bank = Bank(gates, clock, beginning.payouts, beginning.recalls, beginning.inquiries)
        sms = Sms(gates, clock, beginning.texts)
        funds_minor = AMOUNT_MINOR * beginning.covered
        account_id, operations = await _accept(pool, beginning, funds_minor)
        world = cls(pool, gates, clock, bank, sms, account_id, funds_minor, operations)
        world.processes = [world._process("A"), world._process("B")]
        return world

    def _process(self, name: str) -> Process:
        return Process(
            name, self.pool, gates=self.gates, clock=self.clock, bank=self.bank, sms=self.sms
        )

    def start(self, kind: str, number: int, process: int) -> None:
        """Have somebody begin with a transfer.

        Args:
            kind: To carry it out, in a `lane`, in one that waits for nobody (`interactive`) or as
                its `own` workflow; to `promote`, `cancel`, `park` or `release` it.
        """
        operation = self.operations[number % len(self.operations)]
        self._start(kind, operation, self.processes[process])

    def _start(self, kind: str, operation: Operation, process: Process) -> None:
        work = {
            "lane": self._run_in_lane,
            "interactive": self._run_in_interactive_lane,
            "own": self._run_own,
            "promote": self._promote,
            "cancel": self._cancel,
            "park": self._park,
            "release": self._release,
        }
        self.gates.said.append(f"    runner {len(self.runners)}: {kind} of {operation.id}")
        self._go(work[kind](operation, process), process)

    def _go(self, work: Coroutine[Any, Any, None], process: Process) -> None:
        number = len(self.runners)

        async def run() -> None:
            RUNNER.set(number)
            try:
                await self.gates.reach(process.life, "begins")
                await work
            finally:
                work.close()

        self.runners.append(Runner(number, process, asyncio.create_task(run())))

    async def _run_in_lane(self, operation: Operation, process: Process) -> None:
        reason = "The bank stays away."
        for _ in range(TRIES_MAX):
            try:
                await process.lane.run(operation.id, operation.input)
            except Postponed as postponed:
                await self.wait(process, postponed)
            except Promoted as promoted:
                reason = promoted.reason
                break
            else:
                return
        await self._promote(operation, process, reason)

    async def _run_in_interactive_lane(self, operation: Operation, process: Process) -> None:
        try:
            await process.lane.run(operation.id, operation.input)
        except (Postponed, Promoted) as left:
            await self._promote(operation, process, left.reason)

    async def _run_own(self, operation: Operation, process: Process) -> None:
        await self._script(process).carry_out(from_json(TransferInput, operation.input))

    def _script(self, process: Process) -> OwnScript:
        return OwnScript(process, lambda error: self.wait(process, error))

    async def wait(self, process: Process, error: Exception) -> None:
        """Wait as long as what was raised asks for."""
        until = self.clock() + timedelta(seconds=getattr(error, "retry_after_s", None) or 1)
        await self.gates.reach(process.life, f"waits: {error}")
        self.clock.pass_to(until)

    async def _promote(
        self, operation: Operation, process: Process, reason: str = "A test wants it."
    ) -> None:
        for found in await lanes.promote(process.pool, {operation.id: reason}):
            self._start("own", found, process)

    async def _cancel(self, operation: Operation, process: Process) -> None:
        async with transaction(process.pool) as connection:
            await request_cancel(connection, operation.id, actor="test", reason="Not wanted.")

    async def _park(self, operation: Operation, process: Process) -> None:
        with suppress(Conflict):
            await _actions(process.pool).park(operation.id, ADA)

    async def _release(self, operation: Operation, process: Process) -> None:
        with suppress(Conflict):
            await _actions(process.pool).release(operation.id, ADA)

    def pass_s(self, seconds: float) -> None:
        """Have time pass while everybody is held: a stall of all the machines."""
        self.clock.pass_to(self.clock() + timedelta(seconds=seconds))

    async def go(self, number: int) -> None:
        """Have a runner do what it is held before."""
        self.gates.release(self._point(number))
        await self.gates.settle()

    async def go_on(self, *, latest: bool = False) -> None:
        """Have whoever was held first, or last, do what they are held before."""
        self.gates.release(self.gates.points[-1 if latest else 0])
        await self.gates.settle()

    async def go_until(self, number: int, *labels: str) -> None:
        """Have a runner go on until it is held before something that begins so."""
        for _ in range(300):
            await self.go(number)
            if self._point(number).label.startswith(labels):
                return
        raise AssertionError(f"runner {number} never came to {labels}")

    def _point(self, number: int) -> Point:
        for point in self.gates.points:
            if point.runner == number:
                return point
        said = "\n".join(self.gates.said)
        raise AssertionError(f"runner {number} is not held anywhere:\n{said}")

    def crash(self, number: int) -> None:
        """End a process and all that it does; another takes its place."""
        dead = self.processes[number]
        dead.life.is_alive = False
        for connection in dead.life.connections:
            connection.terminate()
        self.gates.drop(dead.life)
        for runner in self.runners:
            if runner.process is dead:
                runner.task.cancel()
        self.processes[number] = self._process(dead.life.name + "'")

    async def finish(self) -> None:
        """Let all go on that lives, and relaunch what did not end, until it does."""
        # The last word on what is held; who is about to park it comes too late or is done.
        await self._join(releases=True)
        for _ in range(_RELAUNCHES_MAX):
            if not (left := await self._open_operations()):
                break
            self.gates.said.append("  relaunched")
            for operation in left:
                self._start("own", operation, self.processes[0])
            await self._join()
        # What is still on its way to a provider arrives.
        self.clock.pass_to(self.clock() + timedelta(minutes=1))
        process, owed = self.processes[0], await self._owed()
        self._go(self._script(process).tell(owed), process)
        await self._join()

    async def _join(self, *, releases: bool = False) -> None:
        self.gates.said.append("  all go on")
        for _ in range(_ROUNDS_MAX):
            self.gates.release_all()
            await self.gates.settle()
            if releases:
                await self._release_all()
            if all(runner.task.done() for runner in self.runners):
                break
        for runner in self.runners:
            assert runner.task.done(), f"runner {runner.number} hangs"
            error = None if runner.task.cancelled() else runner.task.exception()
            if error is not None and runner.process.life.is_alive:
                raise AssertionError(f"runner {runner.number} broke down") from error

    async def _release_all(self) -> None:
        """Begin to release what is held, unless somebody is about to."""
        for row in await self.rows():
            under_way = self._releases.get(row.id)
            if row.park_request and not row.is_finished and (not under_way or under_way.done()):
                self._start("release", row, self.processes[0])
                self._releases[row.id] = self.runners[-1].task

    async def rows(self) -> list[Operation]:
        """Return the transfers as they stand."""
        return [await store.get(self.pool, operation.id) for operation in self.operations]

    async def _open_operations(self) -> list[Operation]:
        return [operation for operation in await self.rows() if not operation.is_finished]

    async def _owed(self) -> list[str]:
        rows = await self.pool.fetch(
            "SELECT id FROM notifications WHERE operation_id = ANY($1) AND state = 'pending'",
            [operation.id for operation in self.operations],
        )
        return [row["id"] for row in rows]


def _actions(pool: Pool) -> OperatorActions:
    async def begin(_: Operation) -> None: ...

    engine: Any = NoEngine()
    return OperatorActions(pool, engine, {}, begin)


async def _accept(
    pool: Pool, beginning: Beginning, funds_minor: int
) -> tuple[str, list[Operation]]:
    ledger, account_id, customer_id = PostgresLedger(), new_id(ACCOUNT), f"cus_{uuid4().hex}"
    request = TransferRequest(
        customer_id, account_id, AMOUNT_MINOR, "USD", "dest_ok", Party("Ada", phone="+15550100")
    )
    async with transaction(pool) as connection:
        await ensure_system_accounts(ledger, connection, ["USD"])
        await ledger.open_account(
            connection,
            NewAccount(
                id=account_id,
                name="Wallet",
                kind=AccountKind.LIABILITY,
                currency="USD",
                customer_id=customer_id,
            ),
        )
        bank = system_account_id(SystemAccount.BANK, "USD")
        await ledger.post(
            connection,
            NewTransfer(
                id=new_id(TRANSFER),
                debit_account_id=bank,
                credit_account_id=account_id,
                amount_minor=funds_minor,
                currency="USD",
                code="deposit",
            ),
        )
        found = await transfers_at(ledger).accept_many(
            connection,
            [request] * beginning.transfers,
            actor="test",
            lanes=[beginning.lane] * beginning.transfers,
        )
    return account_id, [one for one in found if isinstance(one, Operation)]
