"""Corrections of what was asked for: a patch, merged into the request and checked as a whole."""

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from perdure.core.errors import InvalidInput
from perdure.core.text import check_json
from perdure.operations.model import Operation
from perdure.operations.steps import to_json
from perdure.storage.pool import Connection

Request = TypeVar("Request")


@dataclass(frozen=True, slots=True)
class Correction:
    """A change of an operation's request.

    Args:
        request: The whole request, as it is from now on, as JSON.
        before: The fields that change, as they were.
        after: The same, as they are from now on.
    """

    request: dict[str, Any]
    before: dict[str, Any]
    after: dict[str, Any]


def correct(
    request: Mapping[str, Any],
    patch: Mapping[str, Any],
    correctable: Collection[str],
    request_type: type[Request],
    check_request: Callable[[Request], Request],
) -> Correction:
    """Return what a patch makes of a request, checked as a whole, in the form it is kept in.

    Args:
        correctable: The fields that can be.
        check_request: Returns the form a request is kept in, or refuses it.

    Raises:
        InvalidInput: The patch, or the request it makes; names the field.
    """
    merged = merge(request, patch, correctable)
    kept = to_json(check_request(read_request(request_type, merged.request)))
    after = {name: kept[name] for name in merged.after}
    return Correction(merged.request | after, merged.before, after)


class Corrects(Generic[Request]):
    """The half of `KindActions` that changes what was asked for.

    Attributes:
        request_type: The type of the requests, to read them back.
        correctable: As in `KindActions`; nothing, where a kind does not say.
    """

    request_type: type[Request]
    correctable: Mapping[str, str | None] = {}

    def check_request(self, request: Request) -> Request:
        """Return the form a request is kept in, or refuse it."""
        return request

    def correct(self, operation: Operation, patch: Mapping[str, Any]) -> Correction:
        """Return the operation's request with a patch; as in `KindActions`."""
        return correct(
            operation.input["request"],
            patch,
            self.correctable,
            self.request_type,
            self.check_request,
        )


def merge(
    request: Mapping[str, Any], patch: Mapping[str, Any], correctable: Collection[str]
) -> Correction:
    """Merge a patch into a request; of a field that is an object, what is not named stays.

    Raises:
        InvalidInput: `unknown_field`, `field_not_correctable`, `nothing_to_correct`, or a value
            that no request holds; it names the field.
    """
    for name in patch:
        if name in request and name not in correctable:
            fields = ", ".join(sorted(correctable)) or "none"
            raise InvalidInput(
                f"{name} cannot be corrected once the operation is accepted; cancel it and ask"
                f" anew. What can be corrected: {fields}.",
                code="field_not_correctable",
                param=name,
            )
    merged = _merged(request, patch, "")
    changed = [name for name in merged if merged[name] != request[name]]
    if not changed:
        raise InvalidInput(
            "Name a field and its new value; this changes nothing.",
            code="nothing_to_correct",
            param="patch",
        )
    return Correction(
        merged,
        {name: request[name] for name in changed},
        {name: merged[name] for name in changed},
    )


def _merged(current: Mapping[str, Any], patch: Mapping[str, Any], path: str) -> dict[str, Any]:
    merged = dict(current)
    for name, value in patch.items():
        if name not in current:
            fields = ", ".join(sorted(current))
            raise InvalidInput(
                f"There is no field {path}{name}; there are {fields}.",
                code="unknown_field",
                param=f"{path}{name}",
            )
        if isinstance(current[name], Mapping) and isinstance(value, Mapping):
            merged[name] = _merged(current[name], value, f"{path}{name}.")
        else:
            check_json(f"{path}{name}", value)
            merged[name] = value
    return merged


def read_request(request_type: type[Request], request: Mapping[str, Any]) -> Request:
    """Return a request from JSON, each field of exactly its type.

    Raises:
        InvalidInput: Names the field.
    """
    try:
        found: Request = TypeAdapter(request_type).validate_json(json.dumps(request), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        param = ".".join(str(part) for part in first["loc"])
        raise InvalidInput(f"{param}: {first['msg']}.", param=param) from None
    return found


async def check_not_fixed(
    connection: Connection,
    operation_id: str,
    correction: Correction,
    correctable: Mapping[str, str | None],
) -> None:
    """Refuse to change what a provider was asked for already, or may have been.

    Args:
        correctable: As in `KindActions`.

    Raises:
        InvalidInput: `field_fixed`; names the field.
    """
    fixed_by = {step: name for name in correction.after if (step := correctable.get(name))}
    begun = await connection.fetchval(
        "SELECT step FROM provider_calls WHERE operation_id = $1 AND step = ANY($2)"
        " AND state <> 'not_made' LIMIT 1",
        operation_id,
        list(fixed_by),
    )
    if begun is not None:
        raise InvalidInput(
            f"{fixed_by[begun]} cannot be corrected any more: the step {begun} was begun with it."
            " Cancel the operation and ask anew.",
            code="field_fixed",
            param=fixed_by[begun],
        )
