"""One child process: what it is, how it is started, how it is ended."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from perdure.embedded import guard, preloaded
from perdure.embedded.log_files import open_log

FOUNDATION: Final = 9
"""The stop wave of databases and engines."""
KILL_TIMEOUT_S: Final = 10.0
"""How long the kernel may take to end a killed process, which may be writing to a slow disk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessSpec:
    """A child process as it shall run."""

    name: str
    """What it is called in messages, and its log file's name."""
    argv: Sequence[str]
    entry: str | None = None
    """`module:function`: what does the same in a process that has imported it already, where
    there is a preloaded parent; `argv` is then `python -m`, a module and its arguments."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Added to the environment that it inherits."""
    cwd: Path | None = None
    """Where it runs; None: where its parent does."""
    owner: tuple[int, int] | None = None
    """User and group id it runs as; None: its parent's. Only root may give others."""
    listener: socket.socket | None = None
    """Where it listens, handed on to it (`LISTEN_FDS`). The parent keeps it, so that connections
    wait for the next start when it dies."""
    prepare: Callable[[], Awaitable[None]] | None = None
    """Run before every start, also before a restart."""
    ready: Callable[[], Awaitable[bool]] | None = None
    """Asked until it answers yes; None: it is ready as soon as it runs."""
    ready_timeout_s: float = 60.0
    restart: Literal["always", "on_failure", "never"] = "always"
    stop_signal: signal.Signals = signal.SIGTERM
    """What asks it to end."""
    stop_timeout_s: float = 30.0
    """How long it may take to end before it is killed."""
    beside: bool = False
    """It starts together with the one before it, not when that is ready."""
    stop_wave: int = 0
    """Those of one wave are ended together, the lowest wave first: what others stand on, last."""


Child = asyncio.subprocess.Process | preloaded.ForkedProcess


async def start(spec: ProcessSpec, log: Path) -> Child:
    """Start a child in a process group of its own, with its output appended to `log`.

    The terminal's Ctrl-C reaches only the parent, which then ends its children in order. On Linux
    the child is killed when its parent dies.

    Raises:
        OSError: The log cannot be written, or the machine has no room for a process.
    """
    environment = {**os.environ, **spec.env}
    with open_log(log) as output:
        if spec.entry is not None:
            cwd = None if spec.cwd is None else str(spec.cwd)
            asked = preloaded.Asked(spec.name, spec.entry, spec.argv, environment, cwd)
            with contextlib.suppress(preloaded.NobodyForksError):
                return preloaded.fork(asked, output, spec.listener)
        owner = "-" if spec.owner is None else f"{spec.owner[0]}:{spec.owner[1]}"
        handed_on = [] if spec.listener is None else [spec.listener.fileno()]
        listener = str(handed_on[0]) if handed_on else "-"
        guarded = [sys.executable, "-I", "-S", guard.__file__, str(os.getpid()), owner, listener]
        return await asyncio.create_subprocess_exec(
            *guarded,
            *spec.argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment,
            cwd=spec.cwd,
            process_group=0,
            pass_fds=handed_on,
        )


async def end(process: Child, spec: ProcessSpec, *, hurry: asyncio.Event) -> bool:
    """End a child: asked first, killed after `stop_timeout_s` or as soon as `hurry` is set.

    Returns:
        Whether it ended by itself.
    """
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(spec.stop_signal)
        exited = asyncio.ensure_future(process.wait())
        hurried = asyncio.ensure_future(hurry.wait())
        await asyncio.wait(
            {exited, hurried},
            timeout=spec.stop_timeout_s,
            return_when=asyncio.FIRST_COMPLETED,
        )
        hurried.cancel()
        exited.cancel()
    if process.returncode is not None:
        return True
    # The group, as it may have children of its own.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await asyncio.wait_for(process.wait(), KILL_TIMEOUT_S)
    return False


def describe_exit(code: int) -> str:
    """Say how a process ended, in words."""
    return f"was killed (signal {-code})" if code < 0 else f"ended with exit code {code}"


def log_tail(log: Path, *, lines_max: int = 15) -> str:
    """Return the last lines of a log, indented, for a message."""
    try:
        with log.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - 8192))
            text = file.read().decode(errors="replace")
    except OSError:
        text = ""
    lines = text.splitlines()[-lines_max:] or ["(empty)"]
    return "\n".join(f"    {line}" for line in lines)
