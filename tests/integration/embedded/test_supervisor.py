"""Processes are started in order, kept running, and none is left."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest

from perdure.core.errors import ConfigurationError
from perdure.core.ports import LOOPBACK, hold_port
from perdure.embedded import supervisor as supervisor_module
from perdure.embedded.log_files import put_aside_if_large
from perdure.embedded.processes import ProcessSpec
from perdure.embedded.supervisor import Backoff, Supervisor
from tests.polls import eventually

FOREVER = ["sleep", "1000"]

UP = """
import asyncio, sys
from pathlib import Path
from perdure.embedded.processes import ProcessSpec
from perdure.embedded.supervisor import Supervisor

SCRIPT = 'trap "echo $NAME >> ended; exit 0" TERM; touch $NAME; while :; do sleep 0.05; done'

def spec(folder, name, wave):
    async def ready():
        return (folder / name).exists()
    return ProcessSpec(
        name=name, argv=["sh", "-c", SCRIPT], cwd=folder, env={"NAME": name}, ready=ready,
        stop_wave=wave,
    )

async def up():
    folder = Path(sys.argv[1])
    specs = [spec(folder, "first", 1), spec(folder, "second", 0)]
    async with Supervisor(folder, specs, report=print) as supervisor:
        print(*supervisor.pids.values(), flush=True)
        await supervisor.run_until_signalled()

asyncio.run(up())
"""


def _supervisor(
    folder: Path, *specs: ProcessSpec, reports: list[str], backoff: Backoff | None = None
) -> Supervisor:
    return Supervisor(folder, specs, report=reports.append, backoff=backoff, handle_signals=False)


def _up(folder: Path) -> tuple[subprocess.Popen[str], list[int]]:
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", UP, str(folder)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    return process, [int(pid) for pid in process.stdout.readline().split()]


@pytest.fixture
def left() -> Iterator[psutil.Popen]:
    """A process of somebody else's."""
    with psutil.Popen(FOREVER) as process:
        yield process
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


stranger = left


def _is_gone(pid: int) -> bool:
    """Whether a process ended, its exit collected or not."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


async def test_what_dies_is_started_again_and_reported(tmp_path: Path) -> None:
    reports: list[str] = []
    spec = ProcessSpec(name="worker-1", argv=FOREVER)
    async with _supervisor(tmp_path, spec, reports=reports) as supervisor:
        killed = supervisor.pids["worker-1"]
        os.kill(killed, signal.SIGKILL)
        await eventually(lambda: supervisor.pids.get("worker-1", killed) != killed)
        running = supervisor.pids["worker-1"]
        await eventually(lambda: reports != [])
        assert reports == [f"worker-1 was killed (signal 9); restarted, pid {running}"]
    assert _is_gone(running)


async def test_what_is_in_its_folder_is_read_by_nobody_else(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    folder.chmod(0o755)
    before = os.umask(0)
    os.umask(before)
    script = ["sh", "-c", "mkdir made; touch made/file; exec sleep 1000"]
    spec = ProcessSpec(name="worker-1", argv=script, cwd=folder)
    async with _supervisor(folder, spec, reports=[]):
        await eventually((folder / "made" / "file").exists)
        for path in (folder, *folder.rglob("*")):
            assert path.stat().st_mode & 0o077 == 0, path
    assert os.umask(before) == before


async def test_a_log_that_grows_is_put_aside_while_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor_module, "_LOGS_LOOK_S", 0.05)
    small = partial(put_aside_if_large, bytes_max=1000)
    monkeypatch.setattr(supervisor_module, "put_aside_if_large", small)
    script = ["sh", "-c", "while :; do echo a line of its log; sleep 0.001; done"]
    log = tmp_path / "logs" / "worker-1.log"
    async with _supervisor(tmp_path, ProcessSpec(name="worker-1", argv=script), reports=[]):
        await eventually(log.with_name("worker-1.log.1").exists)
        await eventually(lambda: log.stat().st_size > 0)
    assert len(list(log.parent.iterdir())) == 2


ANSWERS = """
import os, socket
with socket.socket(fileno=int(os.environ["LISTEN_FDS"]) + 2) as listener:
    assert os.environ["LISTEN_PID"] == str(os.getpid())
    listener.listen()
    while True:
        with listener.accept()[0] as connection:
            connection.sendall(str(os.getpid()).encode())
"""


async def test_who_connects_while_a_process_is_dead_is_answered_by_the_next(tmp_path: Path) -> None:
    async def answering_pid() -> int:
        reader, writer = await asyncio.open_connection(LOOPBACK, held.number)
        answer = await reader.read()
        writer.close()
        return int(answer)

    async def is_there() -> bool:
        with contextlib.suppress(ConnectionRefusedError):
            return await answering_pid() > 0
        return False

    with hold_port(LOOPBACK, 0, handed_on=True) as held:
        argv = [sys.executable, "-S", "-c", ANSWERS]
        spec = ProcessSpec(name="api", argv=argv, listener=held.socket, ready=is_there)
        async with _supervisor(tmp_path, spec, reports=[]) as supervisor:
            killed = await answering_pid()
            assert killed == supervisor.pids["api"]
            os.kill(killed, signal.SIGKILL)
            await eventually(lambda: _is_gone(killed))
            # There is nobody at this moment, and all of them are answered.
            found = await asyncio.gather(*(answering_pid() for _ in range(20)))
            assert set(found) == {supervisor.pids["api"]}
        with pytest.raises(ConnectionRefusedError):
            await answering_pid()


async def test_one_that_ends_at_once_is_not_waited_for_to_get_ready(tmp_path: Path) -> None:
    spec = ProcessSpec(name="broken", argv=["false"], ready=asyncio.Event().wait)
    quick = Backoff(initial_s=0.01, quick_deaths_max=2)
    with pytest.raises(ConfigurationError, match="ended with exit code 1, 2 times in a row"):
        async with _supervisor(tmp_path, spec, reports=[], backoff=quick):
            pass


async def test_each_starts_when_the_one_before_is_ready(tmp_path: Path) -> None:
    asked: list[str] = []

    async def ready() -> bool:
        asked.append("first")
        return len(asked) == 3

    async def prepare() -> None:
        asked.append("second prepares")

    first = ProcessSpec(name="first", argv=FOREVER, ready=ready)
    second = ProcessSpec(name="second", argv=FOREVER, prepare=prepare)
    async with _supervisor(tmp_path, first, second, reports=[]) as supervisor:
        assert asked == ["first", "first", "first", "second prepares"]
        assert list(supervisor.pids) == ["first", "second"]


async def test_a_check_that_fails_is_asked_again(tmp_path: Path) -> None:
    failures = [OSError("nobody there")]

    async def ready() -> bool:
        if failures:
            raise failures.pop()
        return True

    spec = ProcessSpec(name="shy", argv=FOREVER, ready=ready)
    async with _supervisor(tmp_path, spec, reports=[]) as supervisor:
        assert list(supervisor.pids) == ["shy"]
    assert failures == []


async def test_what_cannot_be_prepared_again_now_is_tried_until_it_can(tmp_path: Path) -> None:
    obstacles = [RuntimeError("what it needs is starting up")]
    prepared: list[str] = []

    async def prepare() -> None:
        if prepared and obstacles:
            raise obstacles.pop()
        prepared.append("prepared")

    spec = ProcessSpec(name="api", argv=FOREVER, prepare=prepare)
    reports: list[str] = []
    async with _supervisor(tmp_path, spec, reports=reports) as supervisor:
        os.kill(supervisor.pids["api"], signal.SIGKILL)
        await eventually(lambda: len(prepared) == 2 and list(supervisor.pids) == ["api"])
        await eventually(lambda: len(reports) == 1)
    assert "api could not be started (what it needs is starting up); restarted" in reports[0]


async def test_what_cannot_be_prepared_at_first_stops_the_start(tmp_path: Path) -> None:
    async def prepare() -> None:
        raise RuntimeError("the tables cannot be made")

    spec = ProcessSpec(name="api", argv=FOREVER, prepare=prepare)
    with pytest.raises(RuntimeError, match="the tables cannot be made"):
        async with _supervisor(tmp_path, spec, reports=[]):
            pytest.fail("it started")


async def test_a_signal_ends_them_wave_by_wave(tmp_path: Path) -> None:
    process, pids = _up(tmp_path)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=60)[0] == ""
    assert process.returncode == 0
    assert (tmp_path / "ended").read_text().split() == ["second", "first"]
    assert all(_is_gone(pid) for pid in pids)
    assert not (tmp_path / "processes.json").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the next start ends them")
async def test_children_die_with_a_killed_supervisor(tmp_path: Path) -> None:
    process, pids = _up(tmp_path)
    assert len(pids) == 2
    with process:
        process.kill()
    await eventually(lambda: all(_is_gone(pid) for pid in pids))


async def test_what_a_killed_supervisor_left_is_ended_by_the_next(
    tmp_path: Path, left: psutil.Popen, stranger: psutil.Popen
) -> None:
    record = {
        "old": (left.pid, left.create_time()),
        "its id was used again": (stranger.pid, stranger.create_time() - 1000),
    }
    (tmp_path / "processes.json").write_text(json.dumps({"pid": 1, "processes": record}))
    reports: list[str] = []
    async with _supervisor(tmp_path, reports=reports):
        assert _is_gone(left.pid)
        assert not _is_gone(stranger.pid)
    assert reports == [f"old of an earlier run is still there (pid {left.pid}): ending it"]


async def test_a_second_supervisor_on_the_folder_is_refused(tmp_path: Path) -> None:
    async with _supervisor(tmp_path, reports=[]):
        with pytest.raises(ConfigurationError, match="already runs") as caught:
            await _supervisor(tmp_path, reports=[]).__aenter__()
        assert str(os.getpid()) in caught.value.message
    async with _supervisor(tmp_path, reports=[]) as supervisor:
        assert supervisor.pids == {}


async def test_what_cannot_start_stops_the_start_with_its_log(tmp_path: Path) -> None:
    fine = ProcessSpec(name="fine", argv=FOREVER)
    broken = ProcessSpec(
        name="broken", argv=["sh", "-c", "echo no config; exit 7"], ready=_never_ready
    )
    supervisor = _supervisor(tmp_path, fine, broken, reports=[], backoff=Backoff(initial_s=0.01))
    with pytest.raises(ConfigurationError, match="exit code 7, 3 times in a row") as caught:
        await supervisor.__aenter__()
    assert "no config" in caught.value.message
    assert supervisor.pids == {}


async def test_what_does_not_become_ready_stops_the_start(tmp_path: Path) -> None:
    spec = ProcessSpec(name="slow", argv=FOREVER, ready=_never_ready, ready_timeout_s=0.2)
    supervisor = _supervisor(tmp_path, spec, reports=[])
    with pytest.raises(ConfigurationError, match=r"slow was not ready within 0\.2 s"):
        await supervisor.__aenter__()
    assert supervisor.pids == {}


async def test_a_crash_loop_is_reported_with_the_log_and_tried_on(tmp_path: Path) -> None:
    reports: list[str] = []
    spec = ProcessSpec(name="worker", argv=["sh", "-c", "echo out of luck; exit 1"])
    backoff = Backoff(initial_s=0.01, max_s=0.02)
    async with _supervisor(tmp_path, spec, reports=reports, backoff=backoff):
        await eventually(lambda: any("5 times in a row" in report for report in reports))
    loop = next(report for report in reports if "3 times in a row" in report)
    assert "out of luck" in loop


async def test_what_shall_not_run_again_does_not(tmp_path: Path) -> None:
    reports: list[str] = []
    once = ProcessSpec(name="once", argv=["true"], restart="never", ready=_never_ready)
    async with _supervisor(tmp_path, once, reports=reports) as supervisor:
        assert supervisor.pids == {}
    assert reports == []


async def test_what_ignores_its_end_is_killed_and_reported(tmp_path: Path) -> None:
    reports: list[str] = []
    spec = ProcessSpec(
        name="deaf",
        argv=["sh", "-c", "trap '' TERM; echo deaf; sleep 1000; sleep 1000"],
        stop_timeout_s=0.2,
    )
    async with _supervisor(tmp_path, spec, reports=reports) as supervisor:
        pid = supervisor.pids["deaf"]
        log = tmp_path / "logs" / "deaf.log"
        await eventually(lambda: log.read_text() == "deaf\n")
        children = psutil.Process(pid).children()
    assert reports == ["deaf did not end when asked, and was killed"]
    await eventually(lambda: all(_is_gone(child.pid) for child in children))


async def _never_ready() -> bool:
    return False
