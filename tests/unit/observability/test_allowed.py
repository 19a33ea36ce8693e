"""What leaves the house of errors and spans: names, numbers and ids, whatever is put into them."""

import json
from typing import Any

import pytest

from perdure.observability import allowed

SECRETS = (
    "alice@example.com",
    "4242424242424242",
    "DE89370400440532013000",
    "+49 170 1234567",
    "Alice Example",
    r"C:\alice\payments.py",
    "SELECT * FROM payees",
)
OPERATION = "pay_01m8gbvvsrepwbnqfsab6gtw4b"


def hostile(secret: str) -> dict[str, Any]:
    """An event as a careless integration would make it: the secret wherever there is room."""
    bag = {"name": secret, secret: secret, "nested": [{"deep": secret}]}
    return {
        "event_id": secret,
        "message": secret,
        "logentry": {"message": secret, "params": [secret]},
        "level": secret,
        "logger": secret,
        "transaction": secret,
        "server_name": secret,
        "culprit": secret,
        "request": {"url": secret, "headers": bag, "data": bag, "cookies": bag, "env": bag},
        "user": {"id": secret, "email": secret, "ip_address": secret},
        "extra": bag,
        "contexts": {"trace": bag, "runtime": bag, secret: bag},
        "breadcrumbs": {"values": [{"message": secret, "data": bag}]},
        "modules": bag,
        "threads": {"values": [{"name": secret, "stacktrace": {"frames": [{"vars": bag}]}}]},
        "tags": dict.fromkeys(("kind", "id", "step", "code", "trace_id", secret), secret),
        "fingerprint": [secret, secret],
        "exception": {
            "values": [
                {
                    "type": secret,
                    "module": secret,
                    "value": secret,
                    "mechanism": {"data": bag},
                    "stacktrace": {
                        "frames": [
                            {
                                "filename": secret,
                                "abs_path": secret,
                                "module": secret,
                                "function": secret,
                                "lineno": secret,
                                "vars": bag,
                                "context_line": secret,
                                "pre_context": [secret],
                            }
                        ],
                        "registers": bag,
                    },
                },
                secret,
            ]
        },
    }


@pytest.mark.parametrize("secret", SECRETS)
def test_nothing_personal_is_in_an_event_t10(secret: str) -> None:
    told = json.dumps(allowed.event(hostile(secret)))
    assert secret not in told
    assert set(json.loads(told)) <= {"platform", "level", "tags", "fingerprint", "exception"}


@pytest.mark.parametrize(
    "odd",
    [
        {},
        {"exception": None},
        {"exception": "no"},
        {"exception": {"values": 3}},
        {"exception": {"values": [None, {"stacktrace": []}, {"stacktrace": {"frames": [None]}}]}},
        {"tags": [["kind", "payment"], "no", ["a", "b", "c"], ["step", None]]},
        {"tags": 3, "fingerprint": 3, "timestamp": 3, "release": {}, "level": []},
    ],
)
def test_an_event_of_another_shape_is_still_one(odd: dict[str, Any]) -> None:
    told = allowed.event(odd)
    assert told["platform"] == "python"
    assert told["level"] == "error"


def test_what_is_needed_is_told() -> None:
    tags = {
        "id": OPERATION,
        "kind": "payment",
        "step": "charge",
        "attempt": "3",
        "code": "provider_disagrees",
        "trace_id": "c572f0d5ab54f468a3a371de2bb63655",
    }
    frame = {"module": "perdure.payments.rules", "function": "Rules.<lambda>", "lineno": 7}
    given = {
        "event_id": "529c8ffef4bb51ad811d8f33b8fb0b95",
        "timestamp": "2026-11-28T06:06:46Z",
        "release": "perdure@1",
        "environment": "staging",
        "tags": tags,
        "fingerprint": ["payment", "charge", "provider_disagrees"],
        "exception": {"values": [{"type": "KeyError", "stacktrace": {"frames": [frame]}}]},
    }
    told = allowed.event(given)
    for name in ("event_id", "timestamp", "release", "environment", "tags", "fingerprint"):
        assert told[name] == given[name]
    assert told["exception"]["values"] == [
        {
            "type": "KeyError",
            "stacktrace": {
                "frames": [
                    frame | {"filename": "perdure/payments/rules.py", "in_app": True},
                ]
            },
        }
    ]


@pytest.mark.parametrize("secret", SECRETS)
def test_nothing_personal_is_in_a_span_t10(secret: str) -> None:
    facts = {
        "perdure.operation_id": OPERATION,
        "perdure.step": "charge",
        "http.route": "/v1/payments/{operation_id}",
        "http.response.status_code": 201,
        "error.type": "503",
        "url.path": secret,
        "url.query": secret,
        "exception.message": secret,
        "user_agent.original": secret,
        secret: secret,
    }
    told = allowed.span_facts(facts)
    assert secret not in json.dumps(told)
    assert len(told) == 5
    assert secret not in json.dumps(allowed.span_facts(dict.fromkeys(facts, secret)))
    assert secret not in allowed.span_name(secret)
    for name in ("POST /v1/payments/{operation_id}", "RunActivity:payment.charge", "lane:payment"):
        assert allowed.span_name(name) == name
