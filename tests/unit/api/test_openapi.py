"""The API's description is whole, kept in the repository, and one that can be worked by."""

import json
import re
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from perdure.api.app import routed_app
from perdure.api.document import document
from perdure.api.scopes import ADMIN, DECODE, all_scopes
from perdure.simulators.bank_behaviour import DESTINATIONS, PAYS
from perdure.simulators.gateway_behaviour import TOKENS
from perdure.simulators.registry_domains import TERMS, derived_domain

KEPT = Path(__file__).parents[3] / "docs" / "openapi.json"
DOCUMENT: dict[str, Any] = routed_app().openapi()
SCHEMAS = DOCUMENT["components"]["schemas"]
OPERATIONS = {
    operation["operationId"]: operation
    for methods in DOCUMENT["paths"].values()
    for operation in methods.values()
}


def example(operation_id: str) -> dict[str, Any]:
    content = OPERATIONS[operation_id]["requestBody"]["content"]["application/json"]
    body: dict[str, Any] = content["example"]
    return body


def test_it_is_kept_as_it_is() -> None:
    assert KEPT.read_text() == document(), "run `make openapi`, and look at what changed"


def test_every_scope_opens_a_route() -> None:
    asked = {
        scope
        for operation in OPERATIONS.values()
        for key in operation.get("security", [])
        for scopes in key.values()
        for scope in scopes
    }
    # What the codec server asks for is no route of the API.
    assert asked == {*all_scopes()} - {ADMIN, DECODE}


def test_every_field_is_described() -> None:
    fields = {
        f"{name}.{field}": said
        for name, schema in SCHEMAS.items()
        for field, said in schema.get("properties", {}).items()
    }
    assert [name for name, said in fields.items() if "description" not in said] == []
    assert len(fields) > 300


@pytest.mark.parametrize("operation_id", OPERATIONS)
def test_every_route_is_described(operation_id: str) -> None:
    operation = OPERATIONS[operation_id]
    assert re.fullmatch(r"[a-z]+(_[a-z]+){1,3}", operation_id)
    assert operation["summary"]
    assert operation["description"]
    for parameter in operation.get("parameters", []):
        assert parameter["description"]
    assert set(operation["tags"]) < {tag["name"] for tag in DOCUMENT["tags"]}
    assert "422" not in operation["responses"] or "x-codes" in operation["responses"]["422"]
    if operation_id.partition("_")[0] not in {"callbacks", "health"}:
        assert operation["security"]
        assert {"400", "401", "403", "429", "500", "503"} - operation["responses"].keys() <= {"400"}


def test_no_two_routes_have_one_id() -> None:
    routes = sum(len(methods) for methods in DOCUMENT["paths"].values())
    assert len(OPERATIONS) == routes


def test_every_answer_is_described() -> None:
    answers = Counter(
        answer["description"]
        for operation in OPERATIONS.values()
        for answer in operation["responses"].values()
        if "$ref" not in answer
    )
    assert "Successful Response" not in answers
    assert "HTTPValidationError" not in SCHEMAS


def test_the_examples_are_what_the_simulators_take() -> None:
    assert TOKENS[example("payments_create")["payment_method"]] == TOKENS["tok_ok"]
    assert DESTINATIONS.get(example("transfers_create")["destination"], PAYS) == PAYS
    name = example("renewals_create")["domain"]
    tld = name.partition(".")[2]
    domain = derived_domain(name, day=date(2026, 1, 1), seed=1, price_minor=TERMS[tld].price_minor)
    assert domain is not None
    assert (domain.status, domain.premium) == ("active", False)


def test_what_has_to_be_waited_for_says_for_how_long() -> None:
    for answer in ("TooManyRequests", "Unavailable"):
        assert "Retry-After" in DOCUMENT["components"]["responses"][answer]["headers"]
    headers = {parameter["name"] for parameter in OPERATIONS["payments_create"]["parameters"]}
    assert headers == {"Idempotency-Key"}
    assert "Idempotent-Replayed" in OPERATIONS["payments_create"]["responses"]["201"]["headers"]


def test_the_document_can_be_read_as_json() -> None:
    assert json.loads(document())["openapi"] == "3.1.0"
