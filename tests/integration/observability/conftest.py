"""Where errors arrive, and Sentry's own library told of it, in this process."""

from collections.abc import Iterator

import pytest
import sentry_sdk

from perdure.observability.process import observing
from tests.receivers import Receiver, receiving


@pytest.fixture
def sentry(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """What Sentry is told by this process."""
    with receiving() as receiver:
        for name in ("PERDURE_SENTRY_DSN", "NO_PROXY", "no_proxy"):
            monkeypatch.setenv(name, receiver.environment[name])
        with observing("tests"):
            yield receiver
        sentry_sdk.get_global_scope().set_client(None)
