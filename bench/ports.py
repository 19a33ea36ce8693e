"""Free ports for the servers of a round."""

from collections.abc import Iterator
from typing import Final

from perdure.core.ports import LOOPBACK, HeldPort, hold_port

_held: Final[list[HeldPort]] = []
"""Until the benchmark ends: a server of one that was killed is often waited for again."""


def free_ports() -> Iterator[int]:
    """Yield ports of the loopback that nobody listens on, and nobody else is given."""
    while True:
        held = hold_port(LOOPBACK, 0)
        _held.append(held)
        yield held.number


def free_port() -> int:
    """Return one of them."""
    return next(free_ports())
