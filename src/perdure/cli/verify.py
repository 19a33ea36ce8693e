"""`perdure verify`: the invariants, on the live system."""

import inspect
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Annotated, Any, Final

import typer

from perdure.capability import verification
from perdure.capability.books import Books, books, invariants, tells_books
from perdure.capability.verification import Verified
from perdure.cli.output import Output, OutputFormat, out, print_error, print_json
from perdure.cli.session import open_session, run
from perdure.config import Settings
from perdure.core.errors import InvalidInput
from perdure.core.times import read_moment
from perdure.core.tlds import normal_tld
from perdure.ledger.verify import Violation
from perdure.outside import uses
from perdure.providers.choice import Use

_BOOKS: Final = books()


def verify(output: OutputFormat, **given: Any) -> None:
    """Check that nothing was lost, doubled or left over; ends with 1 if something was.

    Looks at what changed since the last time that nothing was found; with --all at everything.
    """
    is_whole, all_books, since = (given.pop(name) for name in ("all", "books", "books_since"))
    asked = _Asked(_at_urls(given), since and read_moment("books_since", since))
    if all_books:
        asked.add(uses(Settings.load()))
    done = run(_verify(asked, is_whole=is_whole))
    found, checked = done.violations, invariants(asked.compared)
    if output == OutputFormat.JSON:
        told = {"looked_at": _extent(done), "books": asked.as_json()}
        print_json(as_json(found, checked) | told)
    else:
        out.print(_extent_told(done))
        for line in asked.told():
            out.print(line)
        print_violations(found, checked)
    if found:
        raise typer.Exit(1)


@dataclass
class _Asked:
    """Whose books are compared with ours, and whose are not.

    Attributes:
        compared: As for `violations`.
        since: From when on; None: from the beginning.
        untold: Those whose class tells none; None: nobody asked for all.
    """

    compared: dict[str, dict[str, Use[Any]]]
    since: datetime | None
    untold: list[Use[Any]] | None = None

    def add(self, configured: list[Use[Any]]) -> None:
        """Ask for those of every provider, through the class that the settings name."""
        self.untold = []
        for use in configured:
            if use.role.name not in _BOOKS:
                continue
            if use.tld in self.compared.get(use.role.name, {}):
                continue  # its URL was given
            if tells_books(use):
                self.compared.setdefault(use.role.name, {})[use.tld] = use
            else:
                self.untold.append(use)

    @property
    def read(self) -> list[Use[Any]]:
        """Those that are compared."""
        return [use for found in self.compared.values() for use in found.values()]

    def told(self) -> Iterator[str]:
        """Return for people whose are not compared."""
        for use in self.untold or ():
            yield f"The books of {use.name} are not read: the class of {use} does not tell them."
        if self.untold is None and (others := _BOOKS.keys() - self.compared.keys()):
            yield f"The books of {', '.join(sorted(others))} are not read (--books does)."

    def as_json(self) -> dict[str, Any]:
        """Return the same for programs."""
        return {
            "read": sorted(use.name for use in self.read),
            "not_read": sorted(use.name for use in self.untold or ()),
            "since": self.since.isoformat() if self.since else None,
        }


def _option(found: Books[Any]) -> inspect.Parameter:
    """Return the option that names where a provider's books are."""
    if found.has_several:
        told = f"Compare with those of a {found.name}, as `info=URL`; any number of times."
    else:
        told = f"Compare with those of the {found.name} at this URL, which speaks as ours does."
    kind = list[str] | None if found.has_several else str | None
    return inspect.Parameter(
        found.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[kind, typer.Option(help=told)],
    )


# As typer reads them: an option for each of the books that the installed kinds declare.
verify.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
    [
        inspect.Parameter(
            "output",
            inspect.Parameter.KEYWORD_ONLY,
            default=OutputFormat.TEXT,
            annotation=Output,
        ),
        inspect.Parameter(
            "all",
            inspect.Parameter.KEYWORD_ONLY,
            default=False,
            annotation=Annotated[bool, typer.Option("--all", help="Look at everything.")],
        ),
        inspect.Parameter(
            "books",
            inspect.Parameter.KEYWORD_ONLY,
            default=False,
            annotation=Annotated[
                bool,
                typer.Option(
                    "--books", help="Also compare with the providers' own books, as far as told."
                ),
            ],
        ),
        inspect.Parameter(
            "books_since",
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[
                str | None,
                typer.Option(help="Of them only what began since then: 2030-01-31T00:00:00Z."),
            ],
        ),
        *map(_option, _BOOKS.values()),
    ]
)


def _at_urls(given: dict[str, Any]) -> dict[str, dict[str, Use[Any]]]:
    """Return the providers whose URLs were given."""
    found = {}
    for name, urls in given.items():
        role, has_several = _BOOKS[name].role, _BOOKS[name].has_several
        if urls:
            places = _several(name, urls) if has_several else [("", urls)]
            found[name] = {which: role.at(url, which) for which, url in places}
    return found


def _several(name: str, given: list[str]) -> list[tuple[str, str]]:
    return [_one_of(name, one) for one in given]


def _one_of(name: str, given: str) -> tuple[str, str]:
    which, _, url = given.partition("=")
    if not (which and url):
        raise InvalidInput(
            f"{given!r} names no {name}; write which it is and its URL, as info=http://….",
            param=name,
        )
    return normal_tld(which), url


async def _verify(asked: _Asked, *, is_whole: bool) -> Verified:
    async with open_session() as platform:
        return await verification.verify(
            platform.pool,
            asked.compared,
            is_whole=is_whole,
            books_since=asked.since,
            balances=platform.balances,
        )


def _extent(done: Verified) -> dict[str, Any]:
    last = done.last_whole
    return {
        "everything": done.since is None,
        "since": done.since.isoformat() if done.since else None,
        "operations": done.operations,
        "everything_at": last.ended_at.isoformat() if last else None,
    }


def _extent_told(done: Verified) -> str:
    if done.since is None:
        return "Looked at everything."
    changed = (
        f"{done.operations:,} operations and the entries that changed since {done.since:%F %T}"
    )
    whole = f"; at everything last at {done.last_whole.ended_at:%F %T}" if done.last_whole else ""
    return f"Looked at {changed} UTC{whole} (--all does)."


def as_json(found: list[Violation], checked: list[str]) -> dict[str, Any]:
    """Return the result for programs."""
    return {
        "ok": not found,
        "checked": checked,
        "violations": [asdict(violation) for violation in found],
    }


def print_violations(found: list[Violation], checked: list[str]) -> None:
    """Print the result for people: a line for each invariant, and each row that breaks it."""
    for name in checked:
        broken = [violation for violation in found if violation.name == name]
        out.print("FAIL" if broken else "ok  ", style="red" if broken else "green", end=" ")
        out.print(name.replace("_", " "))
        for violation in broken:
            out.print(f"       {' '.join(violation.subject_ids)}: {violation.detail}")
    if found:
        print_error(f"{len(found)} rows break an invariant.")
