"""Which types the fields of what a kind is asked for may have: what every part reads and writes."""

from dataclasses import is_dataclass
from datetime import date, datetime
from enum import StrEnum
from types import NoneType, UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

_PLAIN: Final = (str, int, float, bool, date, datetime, NoneType)
_MADE_OF: Final = (list, tuple, Union, UnionType)


def unreadable_fields(request: type) -> list[str]:
    """Return the fields, each with its type, that are not the same once they were written."""
    return [
        f"{name}{where}"
        for name, hint in get_type_hints(request).items()
        for where in _unreadable(hint)
    ]


def _unreadable(hint: Any) -> list[str]:
    origin = get_origin(hint)
    if hint in _PLAIN or origin is Literal or hint is Ellipsis:
        return []
    if origin in _MADE_OF:
        return [where for part in get_args(hint) for where in _unreadable(part)]
    if isinstance(hint, type) and is_dataclass(hint):
        return [f".{where}" for where in unreadable_fields(hint)]
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return []
    return [f" ({getattr(hint, '__name__', hint)})"]
