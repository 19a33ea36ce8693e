"""A process that tells of its work, if the environment says to whom.

Where it names nobody, nothing of it is imported.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from perdure.core.errors import ConfigurationError
from perdure.core.telemetry import Telemetry, tell
from perdure.observability.settings import SentrySettings

if TYPE_CHECKING:
    from perdure.observability.sentry import Defects
    from perdure.observability.traces import Traces

_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")


@contextmanager
def observing(role: str, *, errors: bool = True) -> Iterator[None]:
    """Have this process tell of its work, as the environment says.

    Args:
        role: What the process does: `api`, `worker-operations`.
        errors: It is one of ours: a simulator's errors are those of somebody else.

    Raises:
        ConfigurationError: A setting is wrong, or what it takes is not installed.
    """
    traces = _traces(role)
    defects = _defects(role) if errors else None
    if traces is None and defects is None:
        yield
        return
    from perdure.observability.observed import Observed  # noqa: PLC0415

    tell(Observed(traces, defects))
    try:
        yield
    finally:
        tell(Telemetry())
        for one in (traces, defects):
            if one is not None:
                one.close()


def _traces(role: str) -> "Traces | None":
    said = next((name for name in _ENDPOINTS if os.environ.get(name)), None)
    is_off = os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    if said is None or is_off or os.environ.get("OTEL_TRACES_EXPORTER", "otlp") != "otlp":
        return None
    try:
        from perdure.observability.traces import exporter, start_traces  # noqa: PLC0415
    except ImportError as error:
        raise _not_installed(said, "opentelemetry", error) from error
    return start_traces(role, exporter())


def _defects(role: str) -> "Defects | None":
    settings = SentrySettings.read()
    if not settings.dsn.get_secret_value():
        return None
    try:
        from perdure.observability.sentry import start_sentry  # noqa: PLC0415
    except ImportError as error:
        raise _not_installed(settings.said_by, "sentry", error) from error
    return start_sentry(settings, role)


def _not_installed(setting: str, extra: str, error: ImportError) -> ConfigurationError:
    return ConfigurationError(
        f"{setting} is set, and what it takes is not installed ({error.name}). Install"
        f" perdure[{extra}], or take the setting away.",
        param=setting,
    )
