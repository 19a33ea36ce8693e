"""What of a request tells who somebody is, and the request without it.

It follows from the notes of its fields, and of those of the dataclasses in it: `personal`, and
`free_text`, which may hold anything.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import is_dataclass
from functools import cache
from types import NoneType
from typing import Any, Final, get_args, get_origin, get_type_hints

from perdure.core.errors import ConfigurationError
from perdure.core.notes import Note, notes_of

_LISTS: Final = (list, tuple)


def emptied(of: type, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return a request, as JSON, without what is personal of it; it reads as one still.

    Args:
        of: The request's dataclass. Fields that it does not have stay.

    Raises:
        ConfigurationError: A field is personal, and cannot be empty.
    """
    return dict(given) | {
        name: _parts(given[name], hint, emptied) if _is_made_of(hint) else _empty(of, name, hint)
        for name, hint, note in _fields_of(of)
        if name in given and (_is_made_of(hint) or note.personal or note.free_text)
    }


def names_in(of: type, given: Mapping[str, Any]) -> set[str]:
    """Return the texts of a request, as JSON, that tell who somebody is."""
    found: set[str] = set()
    for name, hint, note in _fields_of(of):
        value = given.get(name)
        if _is_made_of(hint):
            _parts(value, hint, lambda inner, part: found.update(names_in(inner, part)))
        elif note.personal:
            found.update(_texts(value))
    return found


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _texts(part)
    elif isinstance(value, list):
        for part in value:
            yield from _texts(part)


@cache
def _fields_of(of: type) -> tuple[tuple[str, Any, Note], ...]:
    hints = get_type_hints(of)
    return tuple((name, hints[name], note) for name, note in notes_of(of).items())


def _without_none(hint: Any) -> Any:
    inner = [one for one in get_args(hint) if one is not NoneType]
    return inner[0] if NoneType in get_args(hint) and len(inner) == 1 else hint


def _part_type(hint: Any) -> Any:
    found = _without_none(hint)
    return get_args(found)[0] if get_origin(found) in _LISTS else found


def _is_made_of(hint: Any) -> bool:
    return is_dataclass(_part_type(hint))


def _parts(value: Any, hint: Any, done: Callable[[type, Mapping[str, Any]], Any]) -> Any:
    """Do something to an object of a request, or to each of a list of them."""
    of = _part_type(hint)
    if isinstance(value, list):
        return [done(of, one) for one in value]
    return done(of, value) if isinstance(value, Mapping) else value


def _empty(of: type, name: str, hint: Any) -> Any:
    if NoneType in get_args(hint):
        return None
    if hint is str:
        return ""
    if get_origin(hint) in _LISTS:
        return []
    raise ConfigurationError(
        f"{of.__name__}.{name} is personal, so it has to be a text, a list, or one that may be"
        " None: it is emptied where its customer is erased."
    )
