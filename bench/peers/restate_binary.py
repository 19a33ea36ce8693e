"""Where npm put Restate's server."""

from pathlib import Path


def find_restate_server(cache: Path) -> Path | None:
    """Return the server's program; None: it is not installed."""
    pattern = "npm/node_modules/@restatedev/restate-server-*/bin/restate-server"
    return next(cache.glob(pattern), None)
