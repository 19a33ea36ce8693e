"""The command line as a user runs it: a process of its own, on ports that are free."""

import os
import sys
from pathlib import Path

import pytest

from perdure.cli.environment import is_about_servers
from perdure.cli.ports import OWN, setting_of
from perdure.cli.simulated import default_ports
from perdure.config import Settings

PERDURE = (sys.executable, "-m", "perdure.cli.main")


SOMEBODY_ELSES_SERVERS = {
    "PGHOST": "db.example",
    "PGPORT": "6543",
    "PGUSER": "nobody",
    "PGDATABASE": "elsewhere",
    "PGOPTIONS": "-c search_path=elsewhere",
    "PGSSLMODE": "verify-full",
    "PGSERVICE": "elsewhere",
    "PGTARGETSESSIONATTRS": "standby",
    "TEMPORAL_NAMESPACE": "prod",
    "TEMPORAL_API_KEY": "secret",
    "TEMPORAL_TLS": "true",
    "TEMPORAL_PROFILE": "prod",
    "TEMPORAL_ENV": "prod",
}
PROFILE = """
[profile.default]
namespace = "prod"
api_key = "secret"
"""


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """This process's environment without settings of the platform, and with free ports.

    What it says of servers, and the profile in the user's home, is about somebody else's.
    """
    own = {
        name: value
        for name, value in os.environ.items()
        if not (name.startswith("PERDURE_") or is_about_servers(name))
    }
    if cli := os.environ.get("PERDURE_TEMPORAL_CLI"):
        own["PERDURE_TEMPORAL_CLI"] = cli
    config = tmp_path_factory.mktemp("config")
    profiles = config / "temporalio" / "temporal.toml"
    profiles.parent.mkdir(parents=True)
    profiles.write_text(PROFILE)
    own |= SOMEBODY_ELSES_SERVERS | {"XDG_CONFIG_HOME": str(config)}
    return own | {setting_of(name): "0" for name in OWN | default_ports(Settings())}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder that does not exist yet."""
    return tmp_path / "data"
