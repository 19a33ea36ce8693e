"""Text that callers give: one rule, wherever it comes in.

A text is one line of any characters there are, but for control characters and halves of surrogate
pairs: those break terminals, logs and mails, and PostgreSQL does not hold them all.
"""

import math
import unicodedata
from collections.abc import Mapping
from typing import Any, Final

from perdure.core.errors import InvalidInput

TEXT_LENGTH_MAX: Final = 255

_REFUSED: Final = frozenset({"Cc", "Cs"})
"""Unicode's categories of control characters (with line breaks and tabs) and of surrogates."""

_JSON_DEPTH_MAX: Final = 16


def check_text(param: str, value: str, *, length_max: int = TEXT_LENGTH_MAX) -> str:
    """Return a text as it is; refuse one that is blank, too long or not one line of text.

    Raises:
        InvalidInput: Names the field.
    """
    if not value.strip():
        raise InvalidInput(f"Give 1 to {length_max} characters.", param=param)
    return check_optional_text(param, value, length_max=length_max)


def check_optional_text(param: str, value: str, *, length_max: int = TEXT_LENGTH_MAX) -> str:
    """Return a text as `check_text` does; it may be empty.

    Raises:
        InvalidInput: Names the field.
    """
    if len(value) > length_max:
        raise InvalidInput(f"Use at most {length_max} characters.", param=param)
    # Nearly all text is printable as Python sees it, and that is asked at once.
    if not value.isprintable():
        for character in value:
            if unicodedata.category(character) in _REFUSED:
                raise InvalidInput(
                    f"Leave out the character U+{ord(character):04X}: a text is one line, without"
                    " control characters.",
                    param=param,
                )
    return value


def check_identifier(param: str, value: str) -> str:
    """Return a customer's id, or a reference, in its normal form: trimmed, and in Unicode's NFC.

    What looks the same, typed in two ways, is the same.

    Raises:
        InvalidInput: As `check_text`; names the field.
    """
    # Refused before it is trimmed, so that a line break at its end is no way around the rule.
    check_optional_text(param, value, length_max=len(value))
    return check_text(param, unicodedata.normalize("NFC", value.strip()))


def check_json(param: str, value: Any) -> None:
    """Refuse JSON that no column holds, or that holds a text which is none.

    Raises:
        InvalidInput: Names the field.
    """
    found = [(value, 0)]
    while found:
        part, depth = found.pop()
        if depth > _JSON_DEPTH_MAX:
            raise InvalidInput("It is nested too deeply.", param=param)
        if isinstance(part, str):
            check_optional_text(param, part, length_max=len(part))
        elif isinstance(part, float) and not math.isfinite(part):
            raise InvalidInput("Give numbers that are finite.", param=param)
        elif isinstance(part, Mapping):
            found += [(inner, depth + 1) for inner in (*part.keys(), *part.values())]
        elif isinstance(part, list):
            found += [(inner, depth + 1) for inner in part]
