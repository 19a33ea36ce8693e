"""How long this process pauses between tries, while tests look at what comes of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest

from perdure.durable import options
from perdure.operations import waiting
from perdure.operations.lanes import work as lanes
from perdure.renewals.legacy import worker as legacy
from perdure.worker import main as worker


@contextmanager
def short_pauses() -> Iterator[None]:
    """Have this process wait less between tries: how many there are, and what comes of them, stays.

    Processes that tests start wait as long as anybody's.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(options.BACKOFF, "initial_interval", timedelta(seconds=0.1))
        patch.setattr(waiting, "_SPREAD_S", 0.1)
        patch.setattr(lanes, "_PAUSE_S_MAX", 1.0)
        patch.setattr(legacy, "_AGAIN_S", 0.1)
        patch.setattr(worker, "_DRAIN", timedelta(seconds=1))
        yield
