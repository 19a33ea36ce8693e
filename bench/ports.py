"""Free ports for the servers of a round."""

import random
from collections.abc import Iterator
from typing import Final

from perdure.core.errors import ConfigurationError
from perdure.embedded.temporal import require_free_port

_RANGE: Final = range(20_000, 32_000)
"""Below those that kernels give to connections, of which a round opens many; and low enough for
Temporal's server, which keeps its own in a smallint."""


def free_ports() -> Iterator[int]:
    """Yield ports of the loopback that nobody listens on, each once."""
    for port in random.sample(_RANGE, len(_RANGE)):
        try:
            require_free_port("127.0.0.1", port, setting="")
        except ConfigurationError:
            continue
        yield port


def free_port() -> int:
    """Return one of them."""
    return next(free_ports())
