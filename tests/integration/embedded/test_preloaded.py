"""What a preloaded parent forks is a child like any other, and does without it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.polls import eventually_without_a_loop

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing is forked")

WORK = """
import json, os, signal, sys, time
from pathlib import Path
from perdure.core.ids import new_id

IMPORTED_BY = os.getpid()
new_id("pay")  # what makes ids is in use before a child is forked

def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
    told = {
        "imported_by": IMPORTED_BY, "argv": sys.argv, "id": new_id("pay"),
        "name": os.environ.get("NAME"), "listens": os.environ.get("LISTEN_PID") == str(os.getpid()),
        "streams": [os.readlink(f"/proc/self/fd/{number}") for number in (0, 1, 2)],
        "signals": [str(signal.getsignal(number)) for number in (signal.SIGINT, signal.SIGPIPE)],
    }
    Path(f"{os.getpid()}.new").write_text(json.dumps(told))
    os.rename(f"{os.getpid()}.new", f"{os.getpid()}.json")
    print("it runs")
    while True:
        time.sleep(100)

if __name__ == "__main__":
    main()
"""

UP = """
import asyncio, sys, threading
from pathlib import Path
from perdure.core.ports import LOOPBACK, hold_port
from perdure.embedded.preloaded import fork_parent
from perdure.embedded.processes import ProcessSpec
from perdure.embedded.supervisor import Supervisor
import work

def spec(name, listener=None, beside=False):
    return ProcessSpec(
        name=name, argv=[sys.executable, "-m", "work", name], entry="work:main",
        env={"NAME": name}, listener=listener, beside=beside,
    )

async def up(held):
    specs = [spec("worker", held.socket), spec("other", beside=True)]
    async with Supervisor(Path(sys.argv[1]), specs, report=lambda told: print(told, flush=True)):
        print("up", flush=True)
        await asyncio.Event().wait()

if sys.argv[2] == "threads":
    threading.Thread(target=threading.Event().wait, daemon=True).start()
fork_parent()
with hold_port(LOOPBACK, 0, handed_on=True) as held:
    asyncio.run(up(held))
"""


class Up:
    """A supervisor in a process of its own, with two children."""

    def __init__(self, folder: Path, how: str) -> None:
        self._folder = folder
        (folder / "work.py").write_text(WORK)
        self.process = subprocess.Popen(
            [sys.executable, "-c", UP, str(folder), how],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(folder)},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.told = self.process.stdout
        assert self.told.readline() == "up\n"

    def pid(self, name: str) -> int:
        recorded = json.loads((self._folder / "processes.json").read_text())
        return int(recorded["processes"][name][0])

    def view(self, pid: int) -> dict[str, Any]:
        """Return what a child wrote of itself."""
        found = self._folder / f"{pid}.json"
        eventually_without_a_loop(found.exists)
        view: dict[str, Any] = json.loads(found.read_text())
        return view

    def kill(self, name: str) -> int:
        """Kill a child, and return the id of the next."""
        os.kill(self.pid(name), signal.SIGKILL)
        assert self.told.readline().startswith(f"{name} was killed (signal 9); restarted")
        return self.pid(name)

    @property
    def parent(self) -> psutil.Process:
        return next(
            child
            for child in psutil.Process(self.process.pid).children()
            if "preloaded parent" in " ".join(child.cmdline())
        )


@pytest.fixture
def up(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Up]:
    found = Up(tmp_path, getattr(request, "param", "alone"))
    yield found
    found.process.kill()
    found.process.communicate()


def test_a_forked_child_has_all_that_one_that_was_started_has(up: Up, tmp_path: Path) -> None:
    worker, other = up.pid("worker"), up.pid("other")
    found = up.view(worker)
    assert found["imported_by"] == up.view(other)["imported_by"] == up.process.pid
    assert found["id"] != up.view(other)["id"]
    assert (found["argv"], found["name"]) == (["work", "worker"], "worker")
    assert (found["listens"], up.view(other)["listens"]) == (True, False)
    log = tmp_path / "logs" / "worker.log"
    assert found["streams"] == [os.devnull, str(log), str(log)]
    assert found["signals"] == ["<built-in function default_int_handler>", "1"]
    process = psutil.Process(worker)
    assert process.ppid() == up.process.pid
    assert os.getpgid(worker) == worker
    assert process.name() == "worker"
    assert " ".join(process.cmdline()).split()[1:] == ["-m", "work", "worker"]
    open_ones = {file.name for file in (Path("/proc") / str(worker) / "fd").iterdir()}
    assert open_ones == {"0", "1", "2", "3"}


def test_it_is_back_when_it_is_killed_and_ends_as_it_was_asked(up: Up, tmp_path: Path) -> None:
    assert up.view(up.kill("worker"))["imported_by"] == up.process.pid
    worker = up.pid("worker")
    os.kill(worker, signal.SIGTERM)
    assert "worker ended with exit code 7; restarted" in up.told.readline()
    assert not psutil.pid_exists(worker)
    assert "it runs" in (tmp_path / "logs" / "worker.log").read_text()


def test_nothing_happens_to_it_when_who_forked_it_is_killed(up: Up) -> None:
    other = up.pid("other")
    up.view(other)
    parent = up.parent
    parent.kill()
    restarted = up.kill("worker")
    # It was started, and imports by itself.
    assert up.view(restarted)["imported_by"] == restarted
    assert up.pid("other") == other
    assert psutil.Process(other).status() != psutil.STATUS_ZOMBIE
    assert not parent.is_running()


def test_it_and_who_forked_it_die_with_their_supervisor(up: Up) -> None:
    left = [psutil.Process(up.pid("worker")), psutil.Process(up.pid("other")), up.parent]
    up.process.kill()
    up.process.wait()
    eventually_without_a_loop(lambda: not any(map(_runs, left)))


@pytest.mark.parametrize("up", ["threads"], indirect=True)
def test_nothing_is_forked_beside_a_thread(up: Up) -> None:
    worker = up.pid("worker")
    assert up.view(worker)["imported_by"] == worker


def _runs(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
