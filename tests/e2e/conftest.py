"""The command line as a user runs it: a process of its own, on ports that are free."""

import os
import sys
from pathlib import Path

import pytest

PORTS = (
    "API",
    "TEMPORAL",
    "TEMPORAL_UI",
    "GATEWAY",
    "FRAUD_SCORER",
    "MAIL_INQUIRY",
    "MAIL",
    "SMS",
    "BANK",
    "REGISTRY_INFO",
    "REGISTRY_FR",
    "REGISTRY_COM",
)
PERDURE = (sys.executable, "-m", "perdure.cli.main")


@pytest.fixture
def environment() -> dict[str, str]:
    """This process's environment without settings of the platform, and with free ports."""
    own = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PERDURE_", "TEMPORAL_")) and name != "DATABASE_URL"
    }
    if cli := os.environ.get("PERDURE_TEMPORAL_CLI"):
        own["PERDURE_TEMPORAL_CLI"] = cli
    return own | {f"PERDURE_{name}_PORT": "0" for name in PORTS}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder that does not exist yet."""
    return tmp_path / "data"
