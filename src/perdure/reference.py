"""Writes what `perdure` exports to a file: `python -m perdure.reference docs/reference.md`."""

import inspect
import sys
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from perdure import PLACES

_HEAD: Final = """# Reference

What `perdure` exports: what [a kind](new-kind.md) and [a provider](new-provider.md) of your own are
written with. A change of these names is in the changelog; what is not here may change with any
release. `make reference` writes this page.
"""


def reference() -> str:
    """Return the reference, made of what the code says of itself."""
    parts = [_HEAD]
    for place, names in PLACES.items():
        module = import_module(place)
        parts.append(f"## {place}\n\n{_first_line(module.__doc__)}\n")
        parts += [_entry(name, getattr(module, name)) for name in names]
    return "\n".join(parts)


def _entry(name: str, found: Any) -> str:
    if not (inspect.isclass(found) or inspect.isfunction(found)):
        return f"### {name}\n"
    told = inspect.cleandoc(found.__doc__ or "")
    takes = str(inspect.signature(found)) if inspect.isfunction(found) else ""
    return f"### {name}\n\n```text\n{name}{takes}\n\n{told}\n```\n"


def _first_line(text: str | None) -> str:
    return (text or "").strip().splitlines()[0]


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(reference())
