"""Becomes a command that does not outlive the process that started it.

    python -I -S guard.py <parent pid> <uid>:<gid>|- <listener>|- <command> <argument>...

Linux kills the command when its parent dies (`PR_SET_PDEATHSIG`). This has to be asked for between
fork and exec, where Python must not run in a process with threads, and after the change of user,
which clears it: hence a program of its own, which runs by its path and needs the standard library
only. Elsewhere it only changes the user; what is left over is ended by the next `perdure up`.

The descriptor of a socket to listen at is handed on as systemd does it: as number 3, with the
command's pid, which nobody knows before (`LISTEN_PID`, sd_listen_fds(3)).
"""

import ctypes
import os
import signal
import sys
from typing import Final, NoReturn

PR_SET_PDEATHSIG: Final = 1
"""From Linux's `linux/prctl.h`."""
LISTENER: Final = 3
"""`SD_LISTEN_FDS_START`."""


def become(parent_pid: int, owner: str, listener: str, command: list[str]) -> NoReturn:
    """Turn this process into `command`."""
    if owner != "-":
        uid, gid = owner.split(":")
        os.setgroups([])
        os.setgid(int(gid))
        os.setuid(int(uid))
    if listener != "-":
        hand_on(int(listener))
    # Python ignores the first two for itself; a shell's background job ignores the others.
    for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    die_with(parent_pid)
    try:
        os.execvp(command[0], command)  # noqa: S606
    except OSError as error:
        sys.exit(f"cannot run {command[0]}: {error.strerror}")


def hand_on(listener: int) -> None:
    """Have this process's program find the socket that it is to listen at."""
    if listener != LISTENER:
        os.dup2(listener, LISTENER)
        os.close(listener)
    os.set_inheritable(LISTENER, True)
    os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))


def die_with(parent_pid: int) -> None:
    """Have this process killed when its parent dies, which it may have done already."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL))
    if os.getppid() != parent_pid:
        sys.exit("the process that started this one is gone")


if __name__ == "__main__":
    become(int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4:])
