"""How values are written for people: times, ages, names in snake case, JSON."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from markupsafe import Markup

from perdure.core.clock import utc_now
from perdure.core.money import format_amount
from perdure.operations.model import Status

_GLYPHS: Final[Mapping[str, str]] = {
    Status.PENDING: "○",
    Status.PROCESSING: "◐",
    Status.WAITING: "◷",
    Status.UNKNOWN: "?",
    Status.NEEDS_ATTENTION: "!",
    Status.REVERSING: "↺",
    Status.SUCCEEDED: "✓",
    Status.FAILED: "✕",
    Status.CANCELLED: "⊘",
}
"""Each status has a sign beside its word and its colour."""
_SIGNED: Final[Mapping[str, str]] = {
    "done": "✓",
    "open": "✓",
    "paused": "!",
    "broken": "✕",
    "probed": "?",
    "ok": "✓",
    "answered": "✓",
    "sent": "✓",
    "refused": "✕",
    "rejected": "✕",
    "intended": "○",
    "running": "◐",
    "warn": "!",
    "fail": "✕",
}
_UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"))


def plain(name: str) -> str:
    """Write a name of ours in words: `needs_attention` is `needs attention`."""
    return name.replace("_", " ")


def titled(name: str) -> str:
    """The same, as a heading or a label begins."""
    text = plain(name)
    return text[:1].upper() + text[1:]


def mark(word: str) -> Markup:
    """Write a status, or how something ended: a sign, the word, and a class for its colour."""
    sign = _GLYPHS.get(word) or _SIGNED.get(word, "·")
    return Markup('<span class="mark mark-{}"><span aria-hidden="true">{}</span> {}</span>').format(
        word, sign, plain(word)
    )


def moment(at: datetime | None) -> str | Markup:
    """Write a time, in UTC; a script may write it in the reader's own zone."""
    if at is None:
        return "-"
    at = at.astimezone(UTC)
    year = f"{at:%Y}-" if at.year != utc_now().year else ""
    return Markup('<time datetime="{}" title="{} UTC">{}</time>').format(
        f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}Z",
        f"{at:%Y-%m-%d %H:%M:%S}",
        f"{year}{at:%m-%d %H:%M:%S}",
    )


def lasting(seconds: float) -> str:
    """Write how long something lasts, to two units at most."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.3g} s"
    whole = int(seconds)
    for place, (size, unit) in enumerate(_UNITS):
        if whole >= size:
            rest, (below, name) = whole % size, (*_UNITS, (1, "s"))[place + 1]
            return f"{whole // size} {unit}" + (f" {rest // below} {name}" if rest >= below else "")
    return f"{whole} s"


def since(at: datetime | None) -> str:
    """Write how long ago something was."""
    return "-" if at is None else lasting(max((utc_now() - at).total_seconds(), 0))


def money(amount: tuple[int, str]) -> str:
    """Write an amount in minor units, given with its currency."""
    return format_amount(*amount)


def limit(figures: Mapping[str, Any] | None) -> str:
    """Write the figures of a limit that was there before, or after."""
    told = [
        f"{value:g} {plain(name)}"
        for name, value in (figures or {}).items()
        if value is not None and not isinstance(value, str)
    ]
    return ", ".join(told) or "no limit"


def pretty(value: Any) -> str:
    """Write JSON for people."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


def text_of(value: Any) -> str:
    """Write a value of a request or a result."""
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return pretty(value) if isinstance(value, dict | list) else str(value)


FILTERS: Final[dict[str, Callable[..., Any]]] = {
    "plain": plain,
    "titled": titled,
    "mark": mark,
    "moment": moment,
    "lasting": lasting,
    "since": since,
    "limit": limit,
    "money": money,
    "pretty": pretty,
    "text_of": text_of,
}
