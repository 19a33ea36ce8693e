"""Where the API is that commands call, and whose key they call it with."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from perdure.cli.environment import (
    API_KEY,
    API_KEY_FILE,
    API_URL,
    DataFolder,
    read_environment,
)
from perdure.core.errors import ConfigurationError

NEW_KEY: Final = "`perdure keys create NAME --role operator`, on the machine of the database,"


@dataclass(frozen=True, slots=True)
class Access:
    """Where the API is, and the key to it.

    Args:
        found: Where the key was found, in words.
        folder: The data folder whose API it is; None: another one.
    """

    url: str
    key: str
    found: str
    folder: Path | None


def find_access(folder: DataFolder) -> Access:
    """Return what the environment says, or what `perdure up` wrote into its folder.

    The folder's key is for the folder's API alone: it is sent to no other address.

    Raises:
        ConfigurationError: Address or key are missing, or are none.
        OSError: The key's file cannot be read.
    """
    own_url = read_environment(folder.environment_path).get(API_URL)
    url = os.environ.get(API_URL) or own_url
    if not url:
        raise ConfigurationError(
            f"No API is known: set {API_URL} and {API_KEY}, or choose with --data-dir the folder of"
            f" a `perdure up`; {folder.path} is none.",
            code="api_not_known",
        )
    if not _is_address(url):
        raise ConfigurationError(
            f"{API_URL} is {url!r}; write it as https://perdure.example.", param=API_URL
        )
    own = folder if url == own_url else None
    key, found = _find_key(own)
    if not key:
        fix = f"set {API_KEY}; {NEW_KEY} makes one."
        if own is not None:
            fix = f"`perdure up` writes one to {own.api_key_path} when it runs."
        raise ConfigurationError(f"No API key: {fix}", code="missing_api_key")
    if not (key.isascii() and key.isprintable()):
        raise ConfigurationError(f"What is in {found} is no API key.", code="invalid_api_key")
    return Access(url.rstrip("/"), key, found, own.path if own is not None else None)


def _find_key(own: DataFolder | None) -> tuple[str, str]:
    """Return the key, and where it was found; empty: nowhere."""
    if key := os.environ.get(API_KEY):
        return key, API_KEY
    path = os.environ.get(API_KEY_FILE)
    if not path and own is not None and own.api_key_path.is_file():
        path = str(own.api_key_path)
    return (Path(path).read_text().strip(), path) if path else ("", "")


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
