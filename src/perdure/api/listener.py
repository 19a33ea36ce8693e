"""The socket that the API listens at: handed to it by whoever started it, or opened."""

import os
import socket
from collections.abc import Mapping
from typing import Final

from perdure.core.errors import ConfigurationError

_BACKLOG: Final = 2048
_HANDED_ON: Final = 3
"""`SD_LISTEN_FDS_START`."""


def open_listener(
    host: str,
    port: int,
    *,
    prefix: str = "PERDURE_API_",
    environ: Mapping[str, str] = os.environ,
) -> socket.socket:
    """Return the socket that systemd or `perdure up` holds for this process, or open one.

    One that is held outlives this process: who connects while it is started again waits.

    Args:
        prefix: What the settings of the address begin with.

    Raises:
        ConfigurationError: The address is taken.
    """
    handed_on = environ.get("LISTEN_FDS", "0"), environ.get("LISTEN_PID")
    if handed_on == ("1", str(os.getpid())):
        listener = socket.socket(fileno=_HANDED_ON)
        # What this process starts is not to have it too.
        listener.set_inheritable(False)
    else:
        listener = _listen(host, port, prefix)
    # Connections inherit it. asyncio sets it only on those it opens itself, and without it a small
    # answer can wait 40 ms for the one before to be acknowledged.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _listen(host: str, port: int, prefix: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise ConfigurationError(
            f"Nobody can listen on {host}:{port}: {error.strerror}. Set {prefix}HOST and"
            f" {prefix}PORT to an address that is free.",
            param=f"{prefix}PORT",
        ) from error
