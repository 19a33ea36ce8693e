"""`perdure verify`: the invariants, on the live system."""

import inspect
from dataclasses import asdict
from typing import Annotated, Any, Final

import typer

from perdure.capability import verification
from perdure.capability.books import Books, Urls, books, invariants
from perdure.capability.verification import Verified
from perdure.cli.output import Output, OutputFormat, out, print_error, print_json
from perdure.cli.session import open_session, run
from perdure.core.errors import InvalidInput
from perdure.core.tlds import normal_tld
from perdure.ledger.verify import Violation

_BOOKS: Final = books()


def verify(output: OutputFormat, **given: Any) -> None:
    """Check that nothing was lost, doubled or left over; ends with 1 if something was.

    Looks at what changed since the last time that nothing was found; with --all at everything.
    """
    is_whole = given.pop("all")
    urls = {
        name: dict(_several(name, found) if _BOOKS[name].has_several else [("", found)])
        for name, found in given.items()
        if found
    }
    done = run(_verify(urls, is_whole=is_whole))
    found, checked = done.violations, invariants(urls)
    if output == OutputFormat.JSON:
        print_json(as_json(found, checked) | {"looked_at": _extent(done)})
    else:
        out.print(_extent_told(done))
        print_violations(found, checked)
    if found:
        raise typer.Exit(1)


def _option(found: Books[Any]) -> inspect.Parameter:
    """Return the option that names where a provider's books are."""
    if found.has_several:
        told = f"Also compare with the books of a {found.name}, as `info=URL`; any number of times."
    else:
        told = f"Also compare with the books of the {found.name} at this URL."
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
        *map(_option, _BOOKS.values()),
    ]
)


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


async def _verify(urls: Urls, *, is_whole: bool) -> Verified:
    async with open_session() as platform:
        return await verification.verify(platform.pool, urls, is_whole=is_whole)


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
