"""Who is told of errors: `PERDURE_SENTRY_*`, or the names that Sentry's own library has."""

from dataclasses import dataclass

from pydantic import SecretStr
from pydantic_settings import SettingsConfigDict

from perdure.core.settings import EnvironmentSettings


class _Usual(EnvironmentSettings):
    model_config = SettingsConfigDict(env_prefix="SENTRY_")

    dsn: SecretStr = SecretStr("")
    environment: str = ""
    release: str = ""


class _Own(_Usual):
    model_config = SettingsConfigDict(env_prefix="PERDURE_SENTRY_")


@dataclass(frozen=True, slots=True)
class SentrySettings:
    """Where Sentry is, and what it is told of this installation.

    Args:
        dsn: Empty: it is told nothing.
        environment: `production`, where it is not set.
        release: Perdure's version, where it is not set.
        said_by: The variable that has the DSN.
    """

    dsn: SecretStr
    environment: str
    release: str
    said_by: str

    @classmethod
    def read(cls) -> "SentrySettings":
        """Read them.

        Raises:
            ConfigurationError: One is wrong, or its file cannot be read.
        """
        own, usual = _Own.read(), _Usual.read()
        is_own = bool(own.dsn.get_secret_value())
        return cls(
            dsn=own.dsn if is_own else usual.dsn,
            environment=own.environment or usual.environment,
            release=own.release or usual.release,
            said_by="PERDURE_SENTRY_DSN" if is_own else "SENTRY_DSN",
        )
