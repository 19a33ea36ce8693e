"""The parts that tests of the embedded engines share."""

from pathlib import Path

import pytest

from perdure.embedded.temporal_cli import ensure_temporal_cli


@pytest.fixture(scope="session")
def temporal_cli() -> Path:
    """Temporal's CLI, found as `perdure up` finds it."""
    return ensure_temporal_cli(print)
