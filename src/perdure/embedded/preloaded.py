"""A parent that has imported what its children run, so that none of them imports it again.

It is forked from this process before anything lives in it: one thread, no event loop, no
connection, no runtime of Temporal's. It does nothing but fork. What it forks becomes a child of the
process that it was forked from, which adopts orphans for that moment: so a child is watched, ended
and killed with its parent as one that is started by `guard.py`, and nothing happens to it if who
forked it dies.

Where none of this can be had, children are started anew. See `docs/adr/0044-preloaded-parent.md`.
"""

import asyncio
import ctypes
import gc
import json
import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import IO, Final, NamedTuple, NoReturn

from perdure.embedded.guard import die_with, hand_on
from perdure.embedded.private_folder import OTHERS

if sys.platform == "linux":
    from setproctitle import setproctitle, setthreadtitle

_PR_SET_CHILD_SUBREAPER: Final = 36
"""From Linux's `linux/prctl.h`."""
_STDERR: Final = 2
_MESSAGE_BYTES_MAX: Final = 1 << 17
_ANSWER_BYTES_MAX: Final = 16
_FORK_TIMEOUT_S: Final = 10.0
_ADOPTED_POLL_S: Final = 0.001


class NobodyForksError(Exception):
    """There is no preloaded parent, or it is gone."""


class ForkedProcess:
    """A child that was forked, with what one that was started has (`asyncio.subprocess`)."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        """Its exit code, or the signal that killed it, negative; None: it runs."""
        self._ended = asyncio.Event()
        self._descriptor = os.pidfd_open(pid)
        asyncio.get_running_loop().add_reader(self._descriptor, self._collect)

    async def wait(self) -> int:
        """Wait for its end, and return its exit code."""
        await self._ended.wait()
        assert self.returncode is not None, "it has ended"
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it has not ended."""
        if self.returncode is None:
            os.kill(self.pid, number)

    def _collect(self) -> None:
        asyncio.get_running_loop().remove_reader(self._descriptor)
        os.close(self._descriptor)
        self.returncode = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        self._ended.set()


class Asked(NamedTuple):
    """What a child shall be.

    Args:
        entry: `module:function`: what it calls, as its command does.
        argv: The command.
        environment: All of it.
        cwd: Where it runs; None: where its parent does.
    """

    name: str
    entry: str
    argv: Sequence[str]
    environment: Mapping[str, str]
    cwd: str | None


_parents: Final[list[tuple[socket.socket, int]]] = []
"""The preloaded parent of this process's children, if there is one: the line to it, and its id."""


def fork_parent() -> None:
    """Fork the parent of this process's future children, which has imported what this one has.

    Does nothing where that is not sound: on another system than Linux, or beside a thread, which a
    package may start when it is imported.
    """
    if _parents or not _is_sound():
        return
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    gc.collect()
    gc.freeze()  # what is shared is not written to
    if (pid := os.fork()) == 0:
        ours.close()
        _exit_after(partial(_serve, theirs))
    gc.unfreeze()
    theirs.close()
    ours.settimeout(_FORK_TIMEOUT_S)
    _parents.append((ours, pid))


def fork(asked: Asked, output: IO[bytes], listener: socket.socket | None) -> ForkedProcess:
    """Fork a child of this process.

    It blocks, as starting a program does.

    Args:
        output: Its log.
        listener: Where it listens, handed on to it.

    Raises:
        NobodyForksError: It has to be started.
    """
    if not _parents:
        raise NobodyForksError
    line, parent = _parents[0]
    message = json.dumps([os.getpid(), asked]).encode()
    handed_on = [] if listener is None else [listener.fileno()]
    _adopt_orphans(True)
    try:
        socket.send_fds(line, [message], [output.fileno(), *handed_on])
        answer = line.recv(_ANSWER_BYTES_MAX)
    except OSError:
        answer = b""
    finally:
        _adopt_orphans(False)
    if not answer:
        _parents.clear()
        line.close()
        os.waitpid(parent, os.WNOHANG)
        raise NobodyForksError
    return ForkedProcess(int(answer))


def _is_sound() -> bool:
    if sys.platform != "linux":
        return False
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError:  # a kernel before 5.3
        return False
    return len(list(Path("/proc/self/task").iterdir())) == 1


def _adopt_orphans(yes: bool) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, int(yes), 0, 0, 0)


def _serve(line: socket.socket) -> None:
    """Fork what is asked for, until nobody is left who asks."""
    os.setpgid(0, 0)  # the terminal's Ctrl-C is not for it
    setproctitle("perdure: the processes' preloaded parent")
    _close_what_was_inherited()
    while True:
        asked, descriptors, _, _ = socket.recv_fds(line, _MESSAGE_BYTES_MAX, 2)
        if not asked:
            return
        told, telling = os.pipe()
        if (between := os.fork()) == 0:
            if (child := os.fork()) == 0:
                line.close()
                os.close(told)
                os.close(telling)
                supervisor, given = json.loads(asked)
                _exit_after(partial(_become, supervisor, Asked(*given), *descriptors))
            os.write(telling, str(child).encode())
            os._exit(0)
        os.waitpid(between, 0)  # from here on the child is an orphan, and adopted
        line.send(os.read(told, _ANSWER_BYTES_MAX))
        for descriptor in (told, telling, *descriptors):
            os.close(descriptor)


def _close_what_was_inherited() -> None:
    """Close the descriptors that a child that is started does not have.

    What a module opened when it was imported is its own, and is not inherited by programs.
    """
    for path in list(Path("/proc/self/fd").iterdir()):
        with suppress(OSError):  # the one that this was read with
            number = int(path.name)
            if number > _STDERR and os.get_inheritable(number):
                os.close(number)


def _become(supervisor: int, asked: Asked, output: int, listener: int | None = None) -> None:
    """Turn this process into a child of the supervisor's, as one that was started is."""
    # Before the environment is changed, whose place it takes.
    setproctitle(" ".join(asked.argv))
    setthreadtitle(asked.name)
    os.setpgid(0, 0)
    os.umask(OTHERS)
    os.environ.clear()
    os.environ.update(asked.environment)
    if asked.cwd is not None:
        os.chdir(asked.cwd)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, stream in enumerate((nothing, output, output)):
        os.dup2(stream, number)
    os.close(nothing)
    os.close(output)
    if listener is not None:
        hand_on(listener)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - a descriptor's
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", 1, errors="backslashreplace", closefd=False)  # noqa: SIM115
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    deadline_s = time.monotonic() + _FORK_TIMEOUT_S
    while os.getppid() != supervisor and time.monotonic() < deadline_s:
        time.sleep(_ADOPTED_POLL_S)
    die_with(supervisor)
    sys.argv = list(asked.argv[2:])  # without `python -m`
    module, name = asked.entry.split(":")
    getattr(import_module(module), name)()


def _exit_after(work: Callable[[], None]) -> NoReturn:
    """Do the work, and end this process as the interpreter would: whoever forked it goes on."""
    status: object = 0
    try:
        work()
    except SystemExit as ended:
        status = ended.code
    except BaseException:  # noqa: BLE001 - whatever it is, nobody else tells of it
        traceback.print_exc()
        status = 1
    if isinstance(status, str):
        print(status, file=sys.stderr)  # noqa: T201 - as the interpreter does
        status = 1
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(status if isinstance(status, int) else 0)
