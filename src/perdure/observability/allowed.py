"""What may leave the house, of errors and of spans: what is named here, and nothing else.

Lists of what is forbidden forget something. So an event is written anew from the names, numbers and
identifiers that are allowed; a message, a value, a header or a body is in none of them.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

_WORD: Final = re.compile(r"(?!.*[0-9]{7})[A-Za-z_<-][A-Za-z0-9_.:<>-]{0,119}")
"""What programs are made of. So many digits in a row are a card's, an account's, a telephone's."""
_ID: Final = re.compile(r"[a-z]{1,63}_[0-9a-z]{26}")
_HEX: Final = re.compile(r"[0-9a-f]{32}")
_TEXT_LENGTH_MAX: Final = 200

_TAGS: Final = frozenset({"kind", "step", "attempt", "code", "status", "where", "role"})
_ID_TAGS: Final = {"id": _ID, "trace_id": _HEX}
_LEVELS: Final = ("fatal", "error", "warning", "info", "debug")
_OTHER: Final = "other"

_SPAN_FACTS: Final = frozenset(
    {
        *(f"perdure.{name}" for name in ("kind", "step", "attempt", "outcome", "code", "status")),
        *("http.request.method", "http.route", "http.response.status_code"),
        *("rpc.system", "rpc.service", "rpc.method", "rpc.grpc.status_code"),
        *("server.address", "server.port", "error.type"),
    }
)
_SPAN_IDS: Final = frozenset(
    {"perdure.operation_id", "temporalWorkflowID", "temporalRunID", "temporalActivityID"}
)
_ADDRESS: Final = re.compile(r"[A-Za-z0-9.:\[\]_-]{1,253}")
_ROUTE: Final = re.compile(r"[A-Z]* ?/[A-Za-z0-9_./{}:-]{0,200}")
_ERROR_TYPE: Final = re.compile(rf"[0-9]{{3}}|{_WORD.pattern}")
_METHOD: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.]{0,99}/[A-Za-z_][A-Za-z0-9_]{0,59}")
_TEXTS: Final = {"server.address": _ADDRESS, "http.route": _ROUTE, "error.type": _ERROR_TYPE}
_ENGINE_ID: Final = re.compile(
    rf"{_ID.pattern}[a-z0-9_-]{{0,60}}|(?!.*[0-9]{{13}})[A-Za-z0-9_.:-]{{1,120}}"
)


def word(value: object) -> str:
    """Return a name or a code as it is, if it can be one; else `other`."""
    return value if isinstance(value, str) and _WORD.fullmatch(value) else _OTHER


def event(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is told of an error, as Sentry's event."""
    found: dict[str, Any] = {
        "platform": "python",
        "level": given["level"] if given.get("level") in _LEVELS else "error",
        "tags": _tags(given.get("tags")),
    }
    if isinstance(event_id := given.get("event_id"), str) and _HEX.fullmatch(event_id):
        found["event_id"] = event_id
    for name in ("timestamp", "release", "environment"):
        if isinstance(text := given.get(name), str):
            found[name] = text[:_TEXT_LENGTH_MAX]
    if fingerprint := given.get("fingerprint"):
        found["fingerprint"] = [word(part) for part in _listed(fingerprint)]
    errors = given.get("exception")
    if isinstance(errors, Mapping) and (values := _listed(errors.get("values"))):
        found["exception"] = {"values": [_error(one) for one in values]}
    else:
        found["message"] = word(given.get("message"))
    return found


def _tags(given: object) -> dict[str, str]:
    tags = given.items() if isinstance(given, Mapping) else _listed(given)
    found = {}
    for name, value in (pair for pair in tags if isinstance(pair, list | tuple) and len(pair) == 2):
        text = str(value)
        if name in _TAGS:
            is_number = text.isdecimal() and len(text) < 7
            found[str(name)] = text if is_number else word(text)
        elif name in _ID_TAGS and _ID_TAGS[name].fullmatch(text):
            found[str(name)] = text
    return found


def _error(given: Any) -> dict[str, Any]:
    if not isinstance(given, Mapping):
        return {"type": _OTHER}
    found: dict[str, Any] = {"type": word(given.get("type"))}
    if given.get("module"):
        found["module"] = word(given["module"])
    stack = given.get("stacktrace")
    if isinstance(stack, Mapping):
        found["stacktrace"] = {"frames": [_frame(one) for one in _listed(stack.get("frames"))]}
    return found


def _frame(given: Any) -> dict[str, Any]:
    if not isinstance(given, Mapping):
        return {"function": _OTHER}
    module, line = word(given.get("module")), given.get("lineno")
    return {
        "module": module,
        # A file's path tells of the machine; which file it is, the module says.
        "filename": f"{module.replace('.', '/')}.py",
        "function": word(given.get("function")),
        "lineno": line if isinstance(line, int) else 0,
        "in_app": module.startswith("perdure") or bool(given.get("in_app")),
    }


def _listed(given: object) -> list[Any]:
    return list(given) if isinstance(given, Iterable) and not isinstance(given, str) else []


def span_facts(given: Mapping[str, Any]) -> dict[str, str | int]:
    """Return what is told of a span, beside its name and its times."""
    found: dict[str, str | int] = {}
    for name, value in given.items():
        if name in _SPAN_IDS:
            if isinstance(value, str) and _ENGINE_ID.fullmatch(value):
                found[name] = value
        elif name in _SPAN_FACTS:
            found[name] = value if isinstance(value, int) else _span_text(name, value)
    return found


def _span_text(name: str, value: object) -> str:
    allowed = _TEXTS.get(name)
    if allowed is None:
        return word(value)
    return value if isinstance(value, str) and allowed.fullmatch(value) else _OTHER


def span_name(given: str) -> str:
    """Return a span's name: a route, a gRPC method, a step, a workflow."""
    return given if _ROUTE.fullmatch(given) or _METHOD.fullmatch(given) else word(given)
