"""What runs on real servers, and waits no longer than it has to."""

from collections.abc import Iterator

import pytest

from tests.pauses import short_pauses


@pytest.fixture(scope="package", autouse=True)
def _short_pauses() -> Iterator[None]:
    with short_pauses():
        yield
