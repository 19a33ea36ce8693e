"""Spans: what they are part of, what they tell, and what is part of nothing."""

import pytest
from opentelemetry.trace import StatusCode

from perdure.core.errors import InsufficientFunds
from perdure.core.telemetry import Facts, telemetry, trace_id_of
from tests.tracing import traced

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
OPERATION = "pay_01m8gbvvsrepwbnqfsab6gtw4b"


def test_what_is_stored_with_an_operation_is_what_its_work_goes_on_from() -> None:
    with traced() as (_, _, kept):
        with telemetry().following(CALLER), telemetry().span("request", {}):
            stored = telemetry().traceparent()
        facts: Facts = {"step": "charge", "attempt": 2, "code": None}
        with (
            telemetry().following(stored),
            telemetry().span("lane:payment", {}),
            telemetry().span("charge", facts),
        ):
            telemetry().note({"status": "processing"})
    charge, lane, request = sorted(kept.spans, key=lambda one: one.name)
    trace_id = f"{charge.context.trace_id:032x}"
    assert trace_id == trace_id_of(CALLER) == trace_id_of(stored)
    assert charge.parent == lane.context
    assert lane.parent is not None
    assert lane.parent.span_id == request.context.span_id
    assert charge.attributes == {
        "perdure.step": "charge",
        "perdure.attempt": 2,
        "perdure.status": "processing",
    }


def test_what_is_part_of_no_trace_makes_none() -> None:
    with (
        traced() as (_, _, kept),
        telemetry().following(None),
        telemetry().span("lane:payment", {}),
        telemetry().span("charge", {}),
    ):
        assert telemetry().traceparent() is None
    assert kept.spans == []


def test_an_action_is_linked_to_the_trace_of_what_it_acts_on() -> None:
    with traced() as (_, _, kept), telemetry().span("POST /v1/payments/{id}/relaunch", {}):
        telemetry().link(CALLER)
        telemetry().link(None)
        telemetry().link(telemetry().traceparent())
        telemetry().link("nonsense")
    (span,) = kept.spans
    assert [f"{link.context.trace_id:032x}" for link in span.links] == [trace_id_of(CALLER)]


@pytest.mark.parametrize(
    ("error", "status", "facts"),
    [
        (KeyError("alice@example.com"), StatusCode.ERROR, {"error.type": "KeyError"}),
        (
            InsufficientFunds("alice@example.com"),
            StatusCode.UNSET,
            {"error.type": "InsufficientFunds", "perdure.code": "insufficient_funds"},
        ),
    ],
    ids=["a defect", "a no"],
)
def test_an_error_is_told_by_its_type_and_code_alone(
    error: Exception, status: StatusCode, facts: dict[str, str]
) -> None:
    with traced() as (_, _, kept), pytest.raises(type(error)), telemetry().span("charge", {}):
        raise error
    (span,) = kept.spans
    assert (span.status.status_code, span.status.description) == (status, None)
    assert span.attributes == facts | {"perdure.outcome": "failed"}
    assert span.events == ()
    assert "alice" not in span.to_json()


@pytest.mark.parametrize("bad", ["", "nonsense", "00-0-0-00", "x" * 500])
def test_a_callers_nonsense_begins_a_trace_of_its_own(bad: str) -> None:
    with traced() as (_, _, kept), telemetry().following(bad), telemetry().span("request", {}):
        assert telemetry().traceparent() is not None
    (span,) = kept.spans
    assert span.parent is None
