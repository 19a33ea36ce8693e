"""The data folder of `perdure up`, and the environment file by which other commands find it."""

import base64
import os
import re
import secrets
import shlex
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from perdure.core.errors import ConfigurationError

DATA_DIR: Final = "PERDURE_DATA_DIR"
DATA_DIR_DEFAULT: Final = Path(".perdure")
API_URL: Final = "PERDURE_API_URL"
API_KEY: Final = "PERDURE_API_KEY"
API_KEY_FILE: Final = f"{API_KEY}_FILE"

SERVERS: Final = {"DATABASE_URL": "PG", "TEMPORAL_ADDRESS": "TEMPORAL_"}
"""What says where a server is, and how the other settings begin that say how it is reached."""
_NAME: Final = re.compile(r"[A-Z][A-Z0-9_]*")


@dataclass(frozen=True, slots=True)
class DataFolder:
    """Where everything of one machine's platform is kept."""

    path: Path

    @property
    def environment_path(self) -> Path:
        """The settings of the platform that runs on this folder."""
        return self.path / "environment"

    @property
    def api_key_path(self) -> Path:
        """The first API key's secret."""
        return self.path / "api_key"

    @property
    def callback_secret_path(self) -> Path:
        """The secret that signs callbacks."""
        return self.path / "callback_secret"

    @property
    def payload_keys_path(self) -> Path:
        """The key that wraps those of customers."""
        return self.path / "payload_keys"

    @property
    def metrics_path(self) -> Path:
        """Where the processes answer with their metrics, as Prometheus reads it."""
        return self.path / "metrics.json"

    @property
    def logs_path(self) -> Path:
        """What each process wrote."""
        return self.path / "logs"

    def callback_secret(self) -> str:
        """Return the callbacks' signing secret, made at the first call."""
        if not self.callback_secret_path.exists():
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            key = base64.b64encode(secrets.token_bytes(32)).decode()
            write_private(self.callback_secret_path, f"whsec_{key}\n")
        return self.callback_secret_path.read_text().strip()


def write_private(path: Path, content: str) -> None:
    """Write a file only its owner reads: the whole of it, or nothing."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def write_environment(path: Path, values: Mapping[str, str]) -> None:
    """Write settings so that both `load_environment` and a shell can read them."""
    lines = [f"{name}={shlex.quote(value)}\n" for name, value in sorted(values.items())]
    write_private(path, "".join(lines))


def read_environment(path: Path) -> dict[str, str]:
    """Read settings; none where there is no file.

    Raises:
        ConfigurationError: `invalid_environment_file`.
    """
    if not path.is_file():
        return {}
    values = {}
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, equals, quoted = line.partition("=")
        try:
            words = shlex.split(quoted)
        except ValueError:
            words = ["", ""]
        if not equals or not _NAME.fullmatch(name) or len(words) > 1:
            raise ConfigurationError(
                f"Line {number} of {path} is not NAME=value. `perdure up` writes the file anew.",
                code="invalid_environment_file",
            )
        values[name] = words[0] if words else ""
    return values


def load_environment(folder: DataFolder) -> None:
    """Take the settings of the folder's platform, where the environment has none, or empty ones.

    Raises:
        ConfigurationError: `invalid_environment_file`.
    """
    values = read_environment(folder.environment_path)
    leave_out_servers(values, named_in=dict(os.environ))
    leave_out_servers(os.environ, named_in=values)
    for name, value in values.items():
        if not os.environ.get(name):
            os.environ[name] = value


def leave_out_servers(settings: MutableMapping[str, str], *, named_in: Mapping[str, str]) -> None:
    """Leave out how servers are reached that other settings name.

    Somebody else's PGPORT or TEMPORAL_NAMESPACE is about somebody else's server: all that is said
    of one comes from the settings that say where it is.
    """
    for address, prefix in SERVERS.items():
        if named_in.get(address):
            for name in [*settings]:
                if name == address or name.startswith(prefix):
                    del settings[name]


def is_about_servers(name: str) -> bool:
    """Whether a setting says where a server is, or how it is reached."""
    return name in SERVERS or name.startswith(tuple(SERVERS.values()))
