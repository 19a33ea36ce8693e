"""The API's description: what FastAPI finds by itself, with the errors each route answers with.

A route names the codes that are its own (`refuses`); those that every route of its form can answer
with are added here.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from fastapi import FastAPI
from fastapi.routing import APIRoute

from perdure.api.meanings import CODES, EXAMPLES, FIELDS
from perdure.capability.declaration import Code

_CODES: Final = "x-codes"
_ERROR: Final = "#/components/schemas/ErrorBody"
_KEYLESS: Final = ("missing_api_key", "invalid_api_key", "expired_api_key", "revoked_api_key")
_AWAY: Final = ("database_unavailable", "engine_unavailable")
_SHARED: Final[dict[tuple[str, ...], str]] = {
    _KEYLESS: "Unauthenticated",
    ("body_too_large",): "TooLarge",
    ("unsupported_media_type",): "WrongMediaType",
    ("too_many_requests",): "TooManyRequests",
    ("internal_error",): "InternalError",
    _AWAY: "Unavailable",
}
"""What is said once, as most routes answer with it."""
_ANY_OF_TYPE: Final = {"string": "text", "integer": 1, "number": 1.0, "boolean": True}
"""An example where nobody gave one."""
_WAITS: Final = (429, 503)
_HEADERS: Final = {
    "X-Request-Id": ("The request's id: yours, or one that was given it.", "string"),
    "Retry-After": ("After how many seconds the request may be sent again.", "integer"),
    "Idempotent-Replayed": (
        "`true`: this answers a request that was sent before; nothing more was done.",
        "string",
    ),
}


def refuses(*codes: str) -> dict[str, Any]:
    """Return what a route adds to its description: the codes of errors that are its own."""
    return {_CODES: codes}


def operation_id(route: APIRoute) -> str:
    """Return a short name for a client's method: `accounts_list`."""
    if not route.tags:
        return route.name
    tag = str(route.tags[0]).replace("-", "_")
    verb = route.name.removesuffix(f"_{tag}").removesuffix(f"_{tag.removesuffix('s')}")
    return f"{tag}_{verb}"


def describe(app: FastAPI, codes: Mapping[str, Code] = CODES) -> None:
    """Have an application, all of whose routes are there, describe itself in full.

    Args:
        codes: What each code says that a route names.
    """
    found = app.openapi

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            _Description(found(), codes).complete()
        assert app.openapi_schema is not None
        return app.openapi_schema

    app.openapi = described  # type: ignore[method-assign]


class _Description:
    """What FastAPI says of an application, to be completed.

    Args:
        document: Changed in place.
    """

    def __init__(self, document: dict[str, Any], codes: Mapping[str, Code]) -> None:
        self._paths = document["paths"]
        self._components = document["components"]
        self._schemas: dict[str, Any] = self._components["schemas"]
        self._codes = codes

    def complete(self) -> None:
        """Say what is not said yet."""
        for schema in self._schemas.values():
            for name, field in schema.get("properties", {}).items():
                _describe_field(name, field)
        for path in self._paths.values():
            for operation in path.values():
                self._complete_operation(operation)
        self._components["headers"] = {
            name: {"description": said, "schema": {"type": kind}}
            for name, (said, kind) in _HEADERS.items()
        }
        self._components["responses"] = {
            name: self._refusal(self._codes[codes[0]].status, codes)
            for codes, name in _SHARED.items()
        }

    def _complete_operation(self, operation: dict[str, Any]) -> None:
        for parameter in operation.get("parameters", []):
            _describe_field(parameter["name"], parameter)
        for need in operation.get("security", []):
            for scopes in need.values():
                operation["description"] += f"\n\nNeeds the scope `{'`, `'.join(scopes)}`."
        if "requestBody" in operation:
            content = operation["requestBody"]["content"]["application/json"]
            content["example"] = self._example(content["schema"])
        replayed = ["Idempotent-Replayed"] if _has_header(operation, "Idempotency-Key") else []
        for status, response in operation["responses"].items():
            self._describe_answer(response)
            response["headers"] = _headers(["X-Request-Id", *(replayed * status.startswith("2"))])
        self._add_refusals(operation)

    def _add_refusals(self, operation: dict[str, Any]) -> None:
        by_status: dict[int, list[str]] = defaultdict(list)
        for code in dict.fromkeys([*_codes_of_form(operation), *operation.pop(_CODES, ())]):
            by_status[self._codes[code].status].append(code)
        for status, names in sorted(by_status.items()):
            shared = _SHARED.get(tuple(names))
            operation["responses"][str(status)] = (
                {"$ref": f"#/components/responses/{shared}"}
                if shared
                else self._refusal(status, names)
            )

    def _refusal(self, status: int, names: Sequence[str]) -> dict[str, Any]:
        waits = ["Retry-After"] if status in _WAITS else []
        return {
            "description": "\n".join(f"- `{name}`: {self._codes[name].meaning}" for name in names),
            "headers": _headers(["X-Request-Id", *waits]),
            "content": {"application/json": {"schema": {"$ref": _ERROR}}},
            _CODES: [*names],
        }

    def _describe_answer(self, response: dict[str, Any]) -> None:
        """Have an answer be described by what it holds, where nobody said anything of it."""
        content = response.get("content", {}).get("application/json", {})
        if response["description"] == "Successful Response" and "schema" in content:
            response["description"] = self._resolved(content["schema"])["description"]

    def _example(self, schema: Mapping[str, Any]) -> object:
        """Return what is taken: the schema's own example, or what is required and has one."""
        schema = self._resolved(schema)
        if "examples" in schema:
            return schema["examples"][0]
        if "items" in schema:
            return [self._example(schema["items"])]
        if "properties" not in schema:
            return _ANY_OF_TYPE.get(schema.get("type", ""))
        return {
            name: EXAMPLES[name]
            if name in EXAMPLES and "examples" not in field
            else self._example(field)
            for name, field in schema["properties"].items()
            if name in schema.get("required", ()) or "examples" in field
        }

    def _resolved(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        name = schema.get("$ref", "").rpartition("/")[2]
        return self._schemas[name] if name else schema


def _codes_of_form(operation: Mapping[str, Any]) -> Iterator[str]:
    """Yield the codes that every route of this form can answer with."""
    if not operation.get("security"):
        return
    places = {parameter["in"] for parameter in operation.get("parameters", [])}
    if "requestBody" in operation:
        yield from ("invalid_json", "missing_field", "unknown_field", "invalid_input")
        yield from ("body_too_large", "unsupported_media_type")
    if "query" in places:
        yield from ("unknown_field", "invalid_input")
    if "path" in places:
        yield "invalid_input"
    if _has_header(operation, "Idempotency-Key"):
        yield from ("invalid_idempotency_key", "idempotency_key_in_use", "idempotency_key_reused")
    yield from (*_KEYLESS, "missing_scope", "too_many_requests", "internal_error", *_AWAY)


def _has_header(operation: Mapping[str, Any], name: str) -> bool:
    return any(parameter["name"] == name for parameter in operation.get("parameters", []))


def _headers(names: list[str]) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _describe_field(name: str, field: dict[str, Any]) -> None:
    if "description" in field:
        return
    if name in FIELDS:
        field["description"] = FIELDS[name]
    elif name.endswith("_id"):
        field["description"] = f"The {name.removesuffix('_id')}'s id."
