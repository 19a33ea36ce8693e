"""Every peer by name, in the order of a round."""

import importlib
from typing import Final

from bench.peers.peer import Peer, PeerUnavailableError

# By name, so that a peer whose library is missing does not take the others with it.
_WHERE: Final = {
    "perdure": ("bench.peers.perdure", "by_default"),
    "perdure-own": ("bench.peers.perdure", "own_workflows"),
    "perdure-lanes": ("bench.peers.perdure", "in_lanes"),
    "perdure-own-cluster": ("bench.peers.perdure", "own_workflows_on_cluster"),
    "perdure-lanes-cluster": ("bench.peers.perdure", "in_lanes_on_cluster"),
    "temporal-tutorial": ("bench.peers.temporal_tutorial", "TemporalTutorial"),
    "celery": ("bench.peers.celery", "CeleryOnRedis"),
    "dbos": ("bench.peers.dbos", "Dbos"),
    "restate": ("bench.peers.restate", "Restate"),
    "floor": ("bench.peers.floor", "Floor"),
    "trades": ("bench.peers.trades", "by_default"),
    "trades-own": ("bench.peers.trades", "own_workflows"),
    "trades-lanes": ("bench.peers.trades", "in_lanes"),
    "trades-celery": ("bench.peers.trades_celery", "CeleryTrades"),
}

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
