"""What the platform's processes run, imported once for all of them."""

from collections.abc import Iterator
from contextlib import suppress

from temporalio.worker._worker import load_default_build_id

from perdure.capabilities import attribute, installed
from perdure.capability.declaration import Place
from perdure.cli.simulated import commands
from perdure.embedded.preloaded import fork_parent

_PROCESSES = ("perdure.cli.api:api", "perdure.cli.worker:worker", "perdure.cli.simulate:app")


def preload() -> None:
    """Import what the processes run, and fork their parent; before the event loop begins."""
    for place in _places():
        with suppress(Exception):  # whoever needs it tells what is wrong with it
            attribute(place)
    # A worker tells Temporal which code it runs, and reads all of it for that: it is the same code.
    load_default_build_id()
    fork_parent()


def _places() -> Iterator[Place]:
    yield from _PROCESSES
    yield from commands().values()
    for kind in installed().values():
        yield from (kind.wire, kind.work, *kind.calls, *kind.routes)
        yield from filter(None, (kind.outside, kind.refundable))
