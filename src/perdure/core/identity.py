"""Who a simulated outside system is: told with every answer, and known to whoever may meet another.

A real provider says nothing of the kind, and nothing is asked of it.
"""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

HEADER: Final = "Perdure-Simulator"


@dataclass(frozen=True, slots=True)
class Identity:
    """One simulator.

    Args:
        kind: What it stands for.
        books: Which books it keeps, as `books_in` names them; empty: none.
    """

    kind: str
    books: str = ""

    @property
    def header(self) -> tuple[str, str]:
        """The header of its answers."""
        return HEADER, f"{self.kind}; books={self.books}" if self.books else self.kind

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> Self | None:
        """Return who gave an answer; None: no simulator did."""
        if not (said := headers.get(HEADER)):
            return None
        kind, _, books = said.partition(";")
        return cls(kind.strip(), books.strip().removeprefix("books="))


def books_in(folder: Path) -> str:
    """Return a name for the books of a folder that does not tell where it is."""
    return hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:12]
