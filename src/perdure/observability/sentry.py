"""Sentry: events of errors, each in an isolation scope of its own, with what is allowed alone.

Nothing is gathered beside them: no integrations, no breadcrumbs, no variables, no requests.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any, Final

import sentry_sdk
from sentry_sdk.transport import HttpTransport
from sentry_sdk.utils import BadDsn

from perdure.core.errors import ConfigurationError
from perdure.core.raised import raised_in
from perdure.core.telemetry import Facts
from perdure.observability import allowed
from perdure.observability.events import exception
from perdure.observability.settings import SentrySettings

_AGAIN_S: Final = 600.0
"""A loop that meets the same defect again and again tells of it once in this time."""
_CLOSES_WITHIN_S: Final = 2.0
_SENT_WITHIN_S: Final = 35.0
"""Longer than the transport waits for one answer."""

_TAGS: Final = {"operation_id": "id", "kind": "kind", "step": "step", "attempt": "attempt"}


class _Transport(HttpTransport):
    """Sends events, and counts those that were not taken."""

    lost = 0

    def on_dropped_event(self, _reason: str) -> None:
        """Count an event that did not arrive: Sentry is away, full, or asked to wait."""
        self.lost += 1


def start_sentry(settings: SentrySettings, role: str) -> "Defects":
    """Have Sentry be told of this process's errors.

    Raises:
        ConfigurationError: The DSN is none.
    """
    try:
        sentry_sdk.init(
            dsn=settings.dsn.get_secret_value(),
            environment=settings.environment or "production",
            release=settings.release or f"perdure@{version('perdure')}",
            transport=_Transport,
            before_send=lambda event, _: allowed.event(event),  # type: ignore[arg-type, return-value]
            default_integrations=False,
            auto_enabling_integrations=False,
            auto_session_tracking=False,
            send_client_reports=False,
            include_local_variables=False,
            include_source_context=False,
            max_request_body_size="never",
            max_breadcrumbs=0,
            propagate_traces=False,
        )
    except (BadDsn, ValueError):
        raise ConfigurationError(
            f"The setting {settings.said_by} is no DSN of Sentry's; copy it from the project's"
            " settings (https://KEY@HOST/PROJECT).",
            param=settings.said_by,
        ) from None
    return Defects(role)


class Defects:
    """Tells of errors that nobody foresaw, each once in a while."""

    def __init__(self, role: str) -> None:
        self._role = role
        self._told_at: dict[tuple[str, ...], float] = {}

    @contextmanager
    def about(self, facts: Facts) -> Iterator[None]:
        """Have what is told inside carry what it is about, and nothing outside."""
        with sentry_sdk.isolation_scope() as scope:
            for name, value in facts.items():
                if value is not None and name in _TAGS:
                    scope.set_tag(_TAGS[name], value)
            yield

    def close(self) -> None:
        """Send what was not sent yet."""
        sentry_sdk.get_client().close(timeout=_CLOSES_WITHIN_S)

    def report(self, error: BaseException, where: str, trace_id: str | None) -> None:
        """Tell of an error, unless the same one was told of in the last ten minutes."""
        raised = raised_in(error)
        frames = raised["frames"]
        last = frames[-1] if frames else {"module": "", "function": ""}
        fingerprint = (where, str(raised["type"]), f"{last['module']}.{last['function']}")
        now = time.monotonic()
        if now - self._told_at.get(fingerprint, float("-inf")) < _AGAIN_S:
            return
        self._told_at[fingerprint] = now
        with sentry_sdk.isolation_scope() as scope:
            scope.set_tags({"where": where, "role": self._role})
            if trace_id:
                scope.set_tag("trace_id", trace_id)
            sentry_sdk.capture_event(
                {
                    "level": "error",
                    "fingerprint": list(fingerprint),
                    "exception": {"values": [exception(raised)]},
                }
            )


def send(events: Sequence[dict[str, Any]]) -> bool:
    """Send events, and wait until they have arrived; False: not all are known to have.

    Blocks. Sent once more they are no others: Sentry knows them by their ids.
    """
    transport = sentry_sdk.get_client().transport
    assert isinstance(transport, _Transport), "Sentry is on"
    before = transport.lost
    for event in events:
        with sentry_sdk.isolation_scope():
            sentry_sdk.capture_event(event)  # type: ignore[arg-type]
    transport.flush(_SENT_WITHIN_S)
    waiting: list[int] = []
    transport.flush(0.01, callback=lambda pending, _: waiting.append(pending))
    return transport.lost == before and not waiting
