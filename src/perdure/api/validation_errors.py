"""Says in words what is wrong with a request's fields."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Explanation:
    """What is wrong, and where, in dotted form (`payee.email`)."""

    code: str
    message: str
    param: str | None


_CODES: Final = {
    "missing": "missing_field",
    "extra_forbidden": "unknown_field",
    "json_invalid": "invalid_json",
}

_WHOLE_NUMBER: Final = frozenset(
    {"int_type", "int_parsing", "int_from_float", "int_parsing_size", "finite_number"}
)
_TEXT: Final = frozenset({"string_type", "string_sub_type"})
_OBJECT: Final = frozenset(
    {"model_attributes_type", "model_type", "dict_type", "dataclass_type", "mapping_type"}
)


def explain(errors: Sequence[Mapping[str, Any]]) -> Explanation:
    """Return the first of pydantic's errors, as told to whoever sent the request."""
    error = errors[0]
    place, *path = error["loc"]
    if error["type"] == "json_invalid":
        problem = error.get("ctx", {}).get("error", "it cannot be read")
        where = path[0] if path else 0
        return Explanation(
            "invalid_json", f"The body is not valid JSON: {problem}, at character {where}.", None
        )
    param = ".".join(str(part) for part in path) or None
    code = _CODES.get(error["type"], "invalid_input")
    if code == "invalid_input" and param is not None and param.endswith("amount_minor"):
        code = "invalid_amount"
    return Explanation(code, _message(error, place, param), param)


def _message(error: Mapping[str, Any], place: object, param: str | None) -> str:
    name = param or "the body"
    kind = str(error["type"])
    if kind == "missing":
        return f"Give {param}; it is required." if param else "Send a body: a JSON object."
    if kind == "extra_forbidden":
        where = "query parameter" if place == "query" else "field"
        return f"There is no {where} {name}; see its spelling, or leave it out."
    if kind in _WHOLE_NUMBER:
        unit = " of minor units (cents for USD)" if name.endswith("amount_minor") else ""
        return f"Give {name} as a whole number{unit}, without quotes and without a fraction."
    if kind in _TEXT:
        return f"Give {name} as text, in quotes."
    if kind in _OBJECT or kind == "list_type":
        return f"Give {name} as a JSON {'object' if kind in _OBJECT else 'list'}."
    # pydantic's own words are about the value: "String should have at most 255 characters".
    return f"{name}: {error['msg'].removeprefix('Value error, ')}."
