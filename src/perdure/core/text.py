"""Text that callers give."""

from typing import Final

from perdure.core.errors import InvalidInput

TEXT_LENGTH_MAX: Final = 255


def check_text(param: str, value: str) -> None:
    """Refuse a text that is empty, or too long.

    Raises:
        InvalidInput: Names the field.
    """
    if not value.strip() or len(value) > TEXT_LENGTH_MAX:
        raise InvalidInput(f"Give 1 to {TEXT_LENGTH_MAX} characters.", param=param)


def check_length(param: str, value: str) -> None:
    """Refuse a text that is too long; it may be empty.

    Raises:
        InvalidInput: Names the field.
    """
    if len(value) > TEXT_LENGTH_MAX:
        raise InvalidInput(f"Use at most {TEXT_LENGTH_MAX} characters.", param=param)
