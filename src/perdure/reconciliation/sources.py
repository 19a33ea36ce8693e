"""Providers' own books as statements: those of kinds' `Books` that accounts are compared with."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from perdure.capability.books import Books, Moved, books, tells_books
from perdure.config import Settings
from perdure.core.errors import ConfigurationError
from perdure.outside import uses
from perdure.providers.choice import Use
from perdure.reconciliation.settings import ReconciliationSettings


@dataclass(frozen=True, slots=True)
class BookSource:
    """A provider's own books.

    Args:
        name: Of the books, and of the source.
        books: Those that are `reconciled`.
    """

    name: str
    books: Books[Any]

    @property
    def prefix(self) -> str:
        """What the ids of the operations begin with that they are about."""
        assert self.books.reconciled is not None
        return self.books.reconciled.prefix

    @property
    def kept_on(self) -> str:
        """Which of the house's accounts has what is of no operation."""
        assert self.books.reconciled is not None
        return self.books.reconciled.kept_on.value

    def moved(self, entry: Any) -> Moved | None:
        """Return what an entry moved; None: it is not known yet, or it moved nothing ever."""
        assert self.books.reconciled is not None
        return self.books.reconciled.moved(entry)


def book_sources(settings: ReconciliationSettings) -> Mapping[str, BookSource]:
    """Return the books that the settings name.

    Raises:
        ConfigurationError: There are none of a name, or nobody's accounts are compared with them.
    """
    known = {name: found for name, found in books().items() if found.reconciled is not None}
    for name in settings.books:
        if name not in known:
            raise ConfigurationError(
                f"PERDURE_RECONCILIATION_BOOKS names {name}; there are {', '.join(sorted(known))}.",
                param="PERDURE_RECONCILIATION_BOOKS",
            )
    return {name: BookSource(name, known[name]) for name in settings.books}


def uses_of(sources: Mapping[str, BookSource], settings: Settings) -> dict[str, list[Use[Any]]]:
    """Return who serves the providers of these books.

    Raises:
        ConfigurationError: The class that a setting names does not tell its books.
    """
    found: dict[str, list[Use[Any]]] = {name: [] for name in sources}
    for use in uses(settings):
        if use.role.name not in found:
            continue
        if not tells_books(use):
            raise ConfigurationError(
                f"{use.chosen}, which serves the {use.name}, does not tell its books; take it out"
                " of PERDURE_RECONCILIATION_BOOKS.",
                param="PERDURE_RECONCILIATION_BOOKS",
            )
        found[use.role.name].append(use)
    return found
