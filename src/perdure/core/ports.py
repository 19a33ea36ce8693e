"""Ports of this machine: which are free, and how one is kept from everybody else.

A port that was found free and is let go of again may be anybody's a moment later: the system hands
ports out to every connection. So it is held, by a socket that is bound and does not listen. On
Linux a server that sets `SO_REUSEADDR`, as almost all do, listens beside it; while none does,
connections are refused, as they are where nobody is. See `docs/adr/0022-listening-sockets.md`.
"""

import errno
import random
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

LOOPBACK: Final = "127.0.0.1"

_CHOICE: Final = range(10_000, 32_000)
"""Temporal's server keeps its own ports in a smallint."""
_SYSTEM_RANGE: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")
_SYSTEM_RANGE_ELSEWHERE: Final = (49_152, 65_535)
_IS_SHARED: Final = sys.platform == "linux"
"""Whether another process can listen at a port that this one holds."""


class HeldPort:
    """A port that nobody else is given until it is let go of.

    Args:
        bound: Has it; closed by `close`.
        handed_on: The very socket is given to the process that is to listen. Where it is not, a
            system on which no other process can listen beside it lets go of it at once.
    """

    def __init__(self, bound: socket.socket, *, handed_on: bool = False) -> None:
        self.socket = bound
        self.number: int = bound.getsockname()[1]
        if not (handed_on or _IS_SHARED):
            bound.close()

    def close(self) -> None:
        """Let go of it; a second time does nothing."""
        self.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def hold_port(host: str, port: int, *, handed_on: bool = False) -> HeldPort:
    """Hold a port; 0: any that is free, and outside of what the system hands out.

    Raises:
        OSError: Another program has it, or the address is not this machine's.
    """
    if port != 0:
        require_free(host, port)
        return HeldPort(_bound(host, port, reuse=True), handed_on=handed_on)
    for chosen in _shuffled(_outside_of_system_range() or _CHOICE):
        try:
            return HeldPort(_bound(host, chosen, reuse=False), handed_on=handed_on)
        except OSError as error:
            if error.errno not in {errno.EADDRINUSE, errno.EACCES}:
                raise
    raise OSError(errno.EADDRINUSE, f"no port of {host} is free")


def require_free(host: str, port: int) -> None:
    """Check that a server can listen at a port.

    Raises:
        OSError: Another program has it, or the address is not this machine's.
    """
    with _bound(host, port, reuse=True) as probe:
        # Binding alone does not show a listener on all platforms.
        probe.listen(1)


def why_not(error: OSError) -> str:
    """Say in words why a port cannot be had."""
    if error.errno == errno.EADDRINUSE:
        return "taken by another program"
    return f"not to be had ({error.strerror})"


def _bound(host: str, port: int, *, reuse: bool) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        # With it one binds at what another holds; without, not where a connection has just ended.
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, reuse)
        opened.bind((host, port))
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    except BaseException:
        opened.close()
        raise
    return opened


def _shuffled(ports: Sequence[int]) -> list[int]:
    # Not from the seed that a program, or a test, may have set for something else.
    return random.Random().sample(ports, len(ports))  # noqa: S311 - no secret


def _outside_of_system_range() -> list[int]:
    try:
        low, high = map(int, _SYSTEM_RANGE.read_text().split())
    except (OSError, ValueError):
        low, high = _SYSTEM_RANGE_ELSEWHERE
    return [port for port in _CHOICE if not low <= port <= high]
