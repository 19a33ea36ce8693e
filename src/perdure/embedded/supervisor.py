"""Keeps the processes of `perdure up` running, and ends them in order."""

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from perdure.core.errors import ConfigurationError, PerdureError
from perdure.embedded.leftovers import process_record
from perdure.embedded.locks import FileLock
from perdure.embedded.log_files import put_aside_if_large
from perdure.embedded.private_folder import OTHERS, make_private_folder
from perdure.embedded.processes import (
    Child,
    ProcessSpec,
    describe_exit,
    end,
    log_tail,
    start,
)

READY_POLL_S: Final = 0.05
_LOGS_LOOK_S: Final = 5.0
"""How often logs are looked at that may have become large."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """When what died is started again."""

    initial_s: float = 0.1
    """After the first death; doubled by each further quick one."""
    max_s: float = 30.0
    quick_death_s: float = 5.0
    """What dies within this time of its start dies quickly."""
    quick_deaths_max: int = 3
    """From so many quick deaths in a row on it is a crash loop: reported with the log's end; at the
    first start, given up."""

    def delay_s(self, quick_deaths: int) -> float:
        """Return how long to wait after so many quick deaths in a row."""
        # The exponent has a bound too: a crash loop of a year would overflow the float.
        return min(self.max_s, self.initial_s * 2.0 ** min(max(quick_deaths - 1, 0), 32))


@dataclass(slots=True, eq=False)
class _Child:
    spec: ProcessSpec
    log: Path
    ready: asyncio.Event
    """Set once it was ready for the first time."""
    process: Child | None = None
    keeper: asyncio.Task[None] | None = None


class Supervisor:
    """Starts processes in order, each when those before are ready; restarts what dies.

        async with Supervisor(data_dir, [postgres, temporal, worker], report=print) as supervisor:
            await supervisor.run_until_signalled()

    At the end they are ended wave by wave. One supervisor a folder; its lock is the kernel's, so
    none is left behind by a kill. SIGINT and SIGTERM end it; a second one kills what still runs.

    Args:
        data_dir: Holds the logs (`logs/<name>.log`), the lock and the record of what runs.
        processes: In the order of their start; names are unique.
        report: Told what happens, in sentences for the person at the terminal.
        backoff: When what died is started again.
        handle_signals: Take over SIGINT and SIGTERM; needs the main thread.
    """

    def __init__(
        self,
        data_dir: Path,
        processes: Sequence[ProcessSpec],
        *,
        report: Callable[[str], None],
        backoff: Backoff | None = None,
        handle_signals: bool = True,
    ) -> None:
        names = [spec.name for spec in processes]
        assert len(set(names)) == len(names), f"names are not unique: {names}"
        self.data_dir = data_dir.resolve()
        self._report = report
        self._backoff = backoff or Backoff()
        self._handle_signals = handle_signals
        self._lock = _lock_of(self.data_dir)
        self._record = process_record(self.data_dir)
        self._children = [
            _Child(spec, self.data_dir / "logs" / f"{spec.name}.log", asyncio.Event())
            for spec in processes
        ]
        self._umask_before = 0
        self._log_keeper: asyncio.Task[None] | None = None
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()

    @property
    def pids(self) -> dict[str, int]:
        """The processes that run now, by name."""
        return {
            child.spec.name: child.process.pid
            for child in self._children
            if child.process is not None and child.process.returncode is None
        }

    @property
    def stop_requested(self) -> bool:
        """Whether somebody asked for the end, perhaps while the processes were still starting."""
        return self._stop.is_set()

    def request_stop(self) -> None:
        """Ask for the end; a second time, without waiting for what does not end by itself."""
        if self._stop.is_set():
            self._hurry.set()
        self._stop.set()

    async def run_until_signalled(self) -> None:
        """Wait until SIGINT, SIGTERM or `request_stop`."""
        await self._stop.wait()

    async def __aenter__(self) -> Self:
        """Start everything.

        Returns early where a signal asks for the end meanwhile (see `stop_requested`).

        Raises:
            ConfigurationError: The folder has a supervisor already, or a process cannot start.
        """
        self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self._lock.acquire(wait=False):
            raise _already_runs(self.data_dir)
        # What is written from now on, by the children too, is read by nobody else.
        self._umask_before = os.umask(OTHERS)
        try:
            make_private_folder(self.data_dir)
            self._catch_signals()
            self._log_keeper = asyncio.create_task(self._keep_logs_bounded())
            await asyncio.to_thread(self._record.end_leftovers, self._report)
            self._record.write(self.pids)
            for together in _groups(self._children):
                if not self._stop.is_set():
                    await self._start(together)
        except BaseException:
            await self._shut_down()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._shut_down()

    async def _start(self, together: list[_Child]) -> None:
        """Start children's keepers; return when all are ready, or the end is asked for."""
        waits = []
        for child in together:
            child.keeper = asyncio.create_task(self._watch(child), name=f"keep {child.spec.name}")
            waits.append(asyncio.create_task(self._until_started(child, child.keeper)))
        try:
            await asyncio.gather(*waits)
        finally:
            for wait in waits:
                wait.cancel()

    async def _until_started(self, child: _Child, keeper: asyncio.Task[None]) -> None:
        await _first_of(child.ready.wait(), self._stop.wait(), task=keeper)
        if keeper.done():
            keeper.result()

    async def _watch(self, child: _Child) -> None:
        try:
            await self._keep(child)
        except Exception as error:
            if child.ready.is_set():
                self._report(f"{child.spec.name} is not watched over any more: {error!r}")
            raise

    async def _keep(self, child: _Child) -> None:
        """Run a child again and again."""
        spec, quick_deaths, died = child.spec, 0, ""
        while True:
            started_at_s = asyncio.get_running_loop().time()
            ending = await self._run_once(child, died)
            code = child.process.returncode if child.process else None
            if spec.restart == "never" or (spec.restart == "on_failure" and code == 0):
                self._give_up_unless_done(child, ending, code)
                return
            lived_s = asyncio.get_running_loop().time() - started_at_s
            quick_deaths = quick_deaths + 1 if lived_s < self._backoff.quick_death_s else 0
            delay_s = self._backoff.delay_s(quick_deaths)
            if quick_deaths >= self._backoff.quick_deaths_max:
                message = f"{spec.name} {ending}, {quick_deaths} times in a row"
                if not child.ready.is_set():
                    raise _cannot_start(child, message)
                self._report(
                    f"{message}; the next try is in {delay_s:.0f} s."
                    f" {child.log} ends:\n{log_tail(child.log)}"
                )
            died = f"{spec.name} {ending}"
            await asyncio.sleep(delay_s)

    def _give_up_unless_done(self, child: _Child, ending: str, code: int | None) -> None:
        """Settle the end of a child that is not started again."""
        if code == 0:
            child.ready.set()
        elif not child.ready.is_set():
            raise _cannot_start(child, f"{child.spec.name} {ending}")
        else:
            self._report(f"{child.spec.name} {ending}; it is not started again.")

    async def _run_once(self, child: _Child, died: str) -> str:
        """Start a child, and return how it ended; `died` says why it is started again."""
        spec, child.process = child.spec, None
        try:
            if spec.prepare is not None:
                await spec.prepare()
            child.process = process = await start(spec, child.log)
        except Exception as error:
            # Once it ran, whatever is in its way may pass: what it needs may be starting too.
            if not (child.ready.is_set() or _may_pass(error)):
                raise
            return f"could not be started ({error})"
        self._record.write(self.pids)
        if died:
            self._report(f"{died}; restarted, pid {process.pid}")
        if not await self._became_ready(child, process):
            await end(process, spec, hurry=self._hurry)
            message = f"was not ready within {spec.ready_timeout_s:g} s"
            if not child.ready.is_set():
                raise _cannot_start(child, f"{spec.name} {message}")
            return message
        return describe_exit(await process.wait())

    async def _became_ready(self, child: _Child, process: Child) -> bool:
        """Wait for readiness; False where it takes too long. True also where the child ended."""
        exited = asyncio.ensure_future(process.wait())
        try:
            # Beside each other: at a socket that is held, a question waits although nobody is left.
            async with asyncio.timeout(child.spec.ready_timeout_s):
                await _first_of(_until_ready(child), task=exited)
        except TimeoutError:
            return False
        finally:
            exited.cancel()
        return True

    async def _shut_down(self) -> None:
        """End every child, wave by wave, and give the folder back."""
        self._stop.set()
        if self._log_keeper is not None:
            self._log_keeper.cancel()
        try:
            for wave in sorted({child.spec.stop_wave for child in self._children}):
                of_wave = [child for child in self._children if child.spec.stop_wave == wave]
                await asyncio.gather(*(self._end(child) for child in of_wave))
            self._record.remove()
        finally:
            self._release_signals()
            os.umask(self._umask_before)
            self._lock.release()

    async def _keep_logs_bounded(self) -> None:
        while True:
            await asyncio.sleep(_LOGS_LOOK_S)
            for child in self._children:
                try:
                    await asyncio.to_thread(put_aside_if_large, child.log)
                except OSError as error:
                    self._report(f"{child.log} is large, and cannot be put aside: {error}")

    async def _end(self, child: _Child) -> None:
        if child.keeper is not None:
            child.keeper.cancel()
            # What went wrong in it has been raised or reported.
            await asyncio.wait({child.keeper})
            if not child.keeper.cancelled():
                child.keeper.exception()
        if child.spec.listener is not None:
            # Nobody is to wait for one that does not come back.
            child.spec.listener.close()
        if child.process is not None and not await end(
            child.process, child.spec, hurry=self._hurry
        ):
            self._report(f"{child.spec.name} did not end when asked, and was killed")

    def _catch_signals(self) -> None:
        if self._handle_signals:
            loop = asyncio.get_running_loop()
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, self.request_stop)

    def _release_signals(self) -> None:
        if self._handle_signals:
            loop = asyncio.get_running_loop()
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)


def _groups(children: Sequence[_Child]) -> list[list[_Child]]:
    """Return the children in the order of their start, those together that start together."""
    groups: list[list[_Child]] = []
    for child in children:
        if groups and child.spec.beside:
            groups[-1].append(child)
        else:
            groups.append([child])
    return groups


def require_nobody_runs(data_dir: Path) -> None:
    """Check that a folder has no supervisor.

    Raises:
        ConfigurationError: It has one.
    """
    lock = _lock_of(data_dir)
    if not lock.acquire(wait=False):
        raise _already_runs(data_dir)
    lock.release()


def _lock_of(data_dir: Path) -> FileLock:
    return FileLock(data_dir / "supervisor.lock")


def _already_runs(data_dir: Path) -> ConfigurationError:
    return ConfigurationError(
        f"Perdure already runs on {data_dir} (pid {process_record(data_dir).supervisor_pid()})."
        " End that one first, or set PERDURE_DATA_DIR to another folder.",
        param="PERDURE_DATA_DIR",
    )


def _may_pass(error: Exception) -> bool:
    foreseen = isinstance(error, (OSError, PerdureError))
    return foreseen and not isinstance(error, ConfigurationError)


async def _until_ready(child: _Child) -> None:
    while not await _says_ready(child.spec):  # noqa: ASYNC110 - another process gets ready
        await asyncio.sleep(READY_POLL_S)
    child.ready.set()


async def _says_ready(spec: ProcessSpec) -> bool:
    try:
        return spec.ready is None or await spec.ready()
    except Exception:  # noqa: BLE001
        return False  # The process may be going away under the check.


def _cannot_start(child: _Child, message: str) -> ConfigurationError:
    return ConfigurationError(f"{message}. {child.log} ends:\n{log_tail(child.log)}")


async def _first_of(*waits: Coroutine[Any, Any, Any], task: asyncio.Future[Any]) -> None:
    """Return when any of them is done; the waits end with it, the task goes on."""
    waiters = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait([*waiters, task], return_when=asyncio.FIRST_COMPLETED)
    finally:
        for waiter in waiters:
            waiter.cancel()
        await asyncio.gather(*waiters, return_exceptions=True)
