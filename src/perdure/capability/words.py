"""Texts that tell who somebody is, and any other text without them."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

ERASED: Final = "[erased]"
"""Stands where somebody was named."""

LENGTH_MIN: Final = 4
"""What is shorter says little by itself, and stands in many other words."""

_FIXED: Final = frozenset({"action", "code", "currency", "kind", "status", "step", "type"})


def _is_fixed(name: str) -> bool:
    """Whether a field holds one of ours own words, or an id, and never a name."""
    return name in _FIXED or name == "id" or name.endswith("_id")


class Words:
    """Takes texts out of others, as whole words, in any case.

    Args:
        instead: Stands where they stood.
    """

    def __init__(self, texts: Iterable[str], *, instead: str = ERASED) -> None:
        self._instead = instead
        found = {text.strip() for text in texts}
        self.texts = sorted(
            (text for text in found if len(text) >= LENGTH_MIN), key=lambda text: (-len(text), text)
        )
        """The longest first: a name may be part of another."""
        either = "|".join(map(re.escape, self.texts))
        # Between signs that are no letters too, as a phone number begins with one.
        self._pattern = re.compile(rf"(?<!\w)(?:{either})(?!\w)", re.IGNORECASE)

    def without(self, value: Any) -> Any:
        """Return a text, or JSON, in which nobody is named any more."""
        if not self.texts:
            return value
        if isinstance(value, str):
            return self._pattern.sub(lambda _: self._instead, value)
        if isinstance(value, Mapping):
            return {
                name: part if _is_fixed(name) else self.without(part)
                for name, part in value.items()
            }
        if isinstance(value, list):
            return [self.without(part) for part in value]
        return value
