"""What no operation tells of: defects of requests and of loops, each once in a while."""

import pytest
import sentry_sdk

from perdure.api.errors import problem_of
from perdure.core.errors import PerdureError, ProviderUnavailable
from perdure.core.telemetry import Telemetry, telemetry
from tests.receivers import Receiver


def raised(error: Exception) -> Exception:
    try:
        raise error
    except Exception as caught:  # noqa: BLE001 - it is what is looked at
        return caught


def test_a_defect_of_a_request_is_told_with_what_it_was_about(sentry: Receiver) -> None:
    secret = "alice@example.com"
    with telemetry().about({"operation_id": "pay_01m8gbvvsrepwbnqfsab6gtw4b", "kind": "payment"}):
        assert problem_of(raised(KeyError(secret))).status == 500
    sentry_sdk.flush()
    (event,) = sentry.events
    assert event["tags"] == {
        "id": "pay_01m8gbvvsrepwbnqfsab6gtw4b",
        "kind": "payment",
        "where": "request",
        "role": "tests",
    }
    assert event["exception"]["values"][0]["type"] == "KeyError"
    assert secret.encode() not in b"".join(sentry.raw)


def test_what_one_is_about_is_not_what_the_next_is_about(sentry: Receiver) -> None:
    with telemetry().about({"step": "charge"}):
        pass
    telemetry().report(raised(KeyError()), "janitor")
    sentry_sdk.flush()
    assert [one["tags"] for one in sentry.events] == [{"where": "janitor", "role": "tests"}]


def test_a_loop_that_fails_again_and_again_tells_of_it_once(sentry: Receiver) -> None:
    for _ in range(50):
        telemetry().report(raised(ZeroDivisionError()), "janitor")
    telemetry().report(raised(ZeroDivisionError()), "flags")
    sentry_sdk.flush()
    assert [one["tags"]["where"] for one in sentry.events] == ["janitor", "flags"]


@pytest.mark.parametrize(
    "error", [OSError(), TimeoutError(), ProviderUnavailable("away"), PerdureError("foreseen")]
)
def test_an_outage_and_what_is_foreseen_are_no_defects(sentry: Receiver, error: Exception) -> None:
    telemetry().report(raised(error), "janitor")
    sentry_sdk.flush()
    assert sentry.events == []


def test_what_a_kind_of_ones_own_tells_sentry_is_cleaned_too(sentry: Receiver) -> None:
    with sentry_sdk.isolation_scope() as scope:
        scope.set_user({"email": "alice@example.com"})
        scope.set_extra("request", "alice@example.com")
        sentry_sdk.capture_exception(raised(ValueError("alice@example.com")))
    sentry_sdk.flush()
    (event,) = sentry.events
    assert event["exception"]["values"][0]["type"] == "ValueError"
    assert b"alice" not in b"".join(sentry.raw)


def test_where_nothing_is_set_nobody_is_told() -> None:
    assert type(telemetry()) is Telemetry
