"""Tables as pictures: bars with their least and most, as SVG that any page shows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

LABEL_WIDTH: Final = 330
BARS_WIDTH: Final = 480
NUMBER_WIDTH: Final = 110
ROW_HEIGHT: Final = 22
COLOURS: Final = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#bbbbbb")
"""Told apart also by who sees no red or green (Paul Tol's "bright")."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A line of a plot.

    Args:
        parts: What its length is made of, by what each is.
        least: Of the rounds, and `most`; the same as the length where there is one.
    """

    label: str
    parts: Mapping[str, float]
    least: float
    most: float

    @property
    def length(self) -> float:
        """How long it is."""
        return sum(self.parts.values())


def svg(title: str, unit: str, bars: Sequence[Bar]) -> str:
    """Return a picture of the bars."""
    names = list(dict.fromkeys(name for bar in bars for name in bar.parts if name))
    colours = {name: COLOURS[place % len(COLOURS)] for place, name in enumerate(names)}
    per_unit = BARS_WIDTH / (max(max(bar.most, bar.length) for bar in bars) or 1)
    width = LABEL_WIDTH + BARS_WIDTH + NUMBER_WIDTH
    height = ROW_HEIGHT * (len(bars) + 1 + bool(names)) + 8
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    font = 'font-family="sans-serif" font-size="12"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} {font}>',
        '<rect width="100%" height="100%" fill="white"/>',
        _text(8, 0, f"{title}: {unit}", weight="bold"),
    ]
    for row, bar in enumerate(bars, 1):
        lines += _drawn(bar, row, per_unit, colours)
    place = 8
    for name in names:
        y = ROW_HEIGHT * (len(bars) + 1) + 6
        lines.append(_box(place, y, 12, colours[name]))
        lines.append(_text(place + 16, len(bars) + 1, name))
        place += 30 + 7 * len(name)
    return "\n".join([*lines, "</svg>\n"])


def _drawn(bar: Bar, row: int, per_unit: float, colours: Mapping[str, str]) -> Iterator[str]:
    yield _text(LABEL_WIDTH - 8, row, bar.label, anchor="end")
    x, y = float(LABEL_WIDTH), ROW_HEIGHT * row + 4
    for name, part in bar.parts.items():
        yield _box(x, y, part * per_unit, colours.get(name, COLOURS[0]))
        x += part * per_unit
    if bar.least != bar.most:
        middle = y + 7
        left, right = (LABEL_WIDTH + end * per_unit for end in (bar.least, bar.most))
        yield f'<path d="M{left:.1f} {middle}H{right:.1f}" stroke="black"/>'
        x = max(x, right)
    digits = 0 if bar.length >= 100 else 1
    yield _text(x + 6, row, f"{bar.length:,.{digits}f}")


def _box(x: float, y: float, width: float, colour: str) -> str:
    return f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="14" fill="{colour}"/>'


def _text(x: float, row: int, text: str, *, anchor: str = "start", weight: str = "normal") -> str:
    y = ROW_HEIGHT * row + 16
    return (
        f'<text x="{x:.1f}" y="{y}" text-anchor="{anchor}" font-weight="{weight}">'
        f"{escape(text)}</text>"
    )
