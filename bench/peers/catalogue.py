"""Every peer by name, in the order of a round."""

import importlib
from typing import Final

from bench.peers.peer import Peer, PeerUnavailableError

# By name, so that a peer whose library is missing does not take the others with it.
_WHERE: Final = {
    "perdure": ("bench.peers.perdure", "Perdure"),
    "temporal-tutorial": ("bench.peers.temporal_tutorial", "TemporalTutorial"),
    "celery": ("bench.peers.celery", "CeleryOnRedis"),
    "dbos": ("bench.peers.dbos", "Dbos"),
    "restate": ("bench.peers.restate", "Restate"),
    "floor": ("bench.peers.floor", "Floor"),
}

NOT_BUILT: Final = {"perdure-lane": "not built yet"}
"""What a reader may look for, and why it is not there."""

NAMES: Final = tuple(_WHERE)


def load(name: str) -> Peer:
    """Return a peer.

    Raises:
        PeerUnavailableError: Its library is not installed.
    """
    module, member = _WHERE[name]
    try:
        peer: Peer = getattr(importlib.import_module(module), member)()
    except ImportError as error:
        raise PeerUnavailableError(str(error)) from error
    return peer
