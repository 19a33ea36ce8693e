"""What the environment turns on, and what it says that is wrong."""

import sys
from pathlib import Path

import pytest

from perdure.core.errors import ConfigurationError
from perdure.core.telemetry import Telemetry, telemetry
from perdure.observability.process import observing
from perdure.observability.settings import SentrySettings

DSN = "https://key@sentry.example/1"
ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}


def set_all(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"PERDURE_SENTRY_DSN": "", "OTEL_EXPORTER_OTLP_ENDPOINT": ""},
        ENDPOINT | {"OTEL_SDK_DISABLED": "TRUE"},
        ENDPOINT | {"OTEL_TRACES_EXPORTER": "none"},
        {"OTEL_SERVICE_NAME": "perdure", "SENTRY_ENVIRONMENT": "staging"},
    ],
)
def test_nothing_is_told_unless_it_is_said_to_whom(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    set_all(monkeypatch, variables)
    with observing("api"):
        assert type(telemetry()) is Telemetry
        assert telemetry().traceparent() is None


def test_the_own_name_goes_before_the_usual_one_and_a_file_will_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "dsn"
    file.write_text(f"{DSN}\n")
    usual = {"SENTRY_DSN": "https://other@x/2", "SENTRY_ENVIRONMENT": "staging"}
    set_all(monkeypatch, {"PERDURE_SENTRY_DSN_FILE": str(file)} | usual)
    found = SentrySettings.read()
    assert found.dsn.get_secret_value() == DSN
    assert (found.environment, found.said_by) == ("staging", "PERDURE_SENTRY_DSN")
    monkeypatch.delenv("PERDURE_SENTRY_DSN_FILE")
    assert SentrySettings.read().said_by == "SENTRY_DSN"
    assert DSN not in repr(found)


@pytest.mark.parametrize(
    ("variables", "missing", "names"),
    [
        ({"SENTRY_DSN": "secret-nonsense"}, None, "SENTRY_DSN"),
        ({"PERDURE_SENTRY_DSN": DSN}, "sentry_sdk", "perdure[sentry]"),
        (ENDPOINT, "opentelemetry.sdk.trace", "perdure[opentelemetry]"),
        (ENDPOINT | {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"}, None, "OTEL_EXPORTER_OTLP"),
        (
            ENDPOINT | {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            "opentelemetry.exporter.otlp.proto.grpc.trace_exporter",
            "opentelemetry-exporter-otlp-proto-grpc",
        ),
    ],
)
def test_what_is_wrong_or_not_installed_ends_the_start_with_a_line_that_names_it(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], missing: str | None, names: str
) -> None:
    set_all(monkeypatch, variables)
    if missing is not None:
        for name in [*sys.modules]:
            if name.startswith("perdure.observability."):
                monkeypatch.delitem(sys.modules, name)
        monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ConfigurationError) as refused, observing("api"):
        pass
    assert names in refused.value.message
    assert "secret" not in refused.value.message
