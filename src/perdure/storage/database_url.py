"""DATABASE_URL, as libpq takes it, in the terms of asyncpg.

asyncpg knows some of libpq's parameters, and hands all others to the server as settings, which
refuses them. So those that it has no use for are left out here.
"""

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import quote, unquote, urlsplit

import structlog

from perdure.core.errors import ConfigurationError

log = structlog.get_logger()

_CONNECT_TIMEOUT_S: Final = 10.0
"""Where the URL does not say: a host that does not answer is an outage, and waited for as one."""

_LEFT_OUT: Final = frozenset(
    """
    channel_binding client_encoding fallback_application_name gssdelegation gssencmode hostaddr
    keepalives keepalives_count keepalives_idle keepalives_interval load_balance_hosts
    max_protocol_version min_protocol_version oauth_ca_file oauth_client_id oauth_client_secret
    oauth_issuer oauth_scope replication require_auth requirepeer scram_client_key
    scram_server_key sslcertmode sslcompression sslcrldir sslkeylogfile sslsni tcp_user_timeout
    """.split()  # noqa: SIM905 - a list of them would take a line for each
)


@dataclass(frozen=True, slots=True)
class DatabaseUrl:
    """Where the database is, and how to connect to it.

    Args:
        url: With what asyncpg takes of it.
        options: What asyncpg takes beside it.
        settings: The server's, for each connection.
        left_out: The names of the parameters that have no effect.
    """

    url: str = field(repr=False)
    options: Mapping[str, Any]
    settings: Mapping[str, str]
    left_out: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a URL: `postgresql://user@host/database?sslmode=require`.

        Raises:
            ConfigurationError: It is none, or asks for what cannot be had.
        """
        if not text.strip().startswith(("postgresql://", "postgres://")):
            raise not_a_database_url()
        try:
            parts = urlsplit(text.strip())
        except ValueError as error:
            raise not_a_database_url() from error
        parameters = _parameters(parts.query)
        if parameters.get("gssencmode") == "require":
            raise ConfigurationError(
                "DATABASE_URL asks for gssencmode=require, which is not supported; use TLS"
                " (sslmode=require, or verify-full).",
                param="DATABASE_URL",
            )
        netloc = parts.netloc.rpartition("@")[2]
        if "hostaddr" in parameters and not (netloc or "host" in parameters):
            addresses = parameters.pop("hostaddr").split(",")
            parameters["host"] = ",".join(f"[{one}]" if ":" in one else one for one in addresses)
        left_out = tuple(sorted(name for name in parameters if name in _LEFT_OUT))
        for name in left_out:
            del parameters[name]
        options = _options(parameters.get("host") or netloc, parameters)
        settings = {
            name: parameters.pop(name) for name in list(parameters) if name not in _OF_THE_URL
        }
        query = "&".join(f"{name}={quote(value, safe='')}" for name, value in parameters.items())
        return cls(parts._replace(query=query).geturl(), options, settings, left_out)

    def tell_what_is_left_out(self) -> None:
        """Say once a process which parameters have no effect."""
        if self.left_out:
            _tell(self.left_out)


_OF_THE_URL: Final = frozenset(
    """
    database dbname gsslib host krbsrvname passfile password port service ssl_max_protocol_version
    ssl_min_protocol_version sslcert sslcrl sslkey sslmode sslnegotiation sslpassword sslrootcert
    target_session_attrs user
    """.split()  # noqa: SIM905 - as above
)
"""What asyncpg takes from a URL as libpq does; all others are the server's own settings."""


def not_a_database_url() -> ConfigurationError:
    """Return the error for a URL that cannot be read; it shows nothing of it, as of a password."""
    return ConfigurationError(
        "DATABASE_URL cannot be read. Write it as postgresql://user:password@host:5432/database,"
        " with %-escapes for what is neither letter nor digit in a user's name or password.",
        param="DATABASE_URL",
    )


def _parameters(query: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in query.split("&"))
    # A plus is a plus: libpq has no other way to write a blank than %20.
    return {unquote(name): unquote(value) for name, _, value in pairs if name and value}


def _options(hosts: str, parameters: dict[str, str]) -> dict[str, Any]:
    options: dict[str, Any] = {"timeout": _timeout_s(parameters.pop("connect_timeout", None))}
    for name in ("sslrootcert", "sslcert", "sslkey", "sslcrl"):
        if (path := parameters.get(name, "system")) != "system" and not Path(path).is_file():
            raise ConfigurationError(
                f"DATABASE_URL: there is no file {path}, which {name} names.", param="DATABASE_URL"
            )
    if servicefile := parameters.pop("servicefile", None):
        options["servicefile"] = servicefile
    if parameters.get("sslrootcert") == "system":
        del parameters["sslrootcert"]
        parameters.pop("sslmode", None)
        options["ssl"] = ssl.create_default_context()
        options["ssl"].set_alpn_protocols(["postgresql"])
    if "," in hosts and "PGTARGETSESSIONATTRS" not in os.environ:
        # One of several is looked for that takes changes: after a failover that is another.
        parameters.setdefault("target_session_attrs", "read-write")
    return options


def _timeout_s(given: str | None) -> float | None:
    if given is None:
        return _CONNECT_TIMEOUT_S
    try:
        seconds = int(given)
    except ValueError as error:
        raise ConfigurationError(
            f"DATABASE_URL: connect_timeout is a number of seconds, not {given[:20]!r}.",
            param="DATABASE_URL",
        ) from error
    # As libpq has it: nothing, and less, is for ever.
    return float(seconds) if seconds > 0 else None


@cache
def _tell(names: tuple[str, ...]) -> None:
    log.info("database_url_parameters_left_out", names=list(names))
