"""`perdure new …`: packages of one's own, to begin with.

The template is the example that the documentation explains and the tests run (docs/new-kind.md),
under the names that are asked for.
"""

import keyword
import re
from pathlib import Path
from typing import Annotated, Final

import typer

from perdure.capabilities import places
from perdure.cli.output import out
from perdure.core.errors import Conflict, InvalidInput
from perdure.core.ids import HOUSE_PREFIXES

app = typer.Typer(help="Begin a package of your own.", no_args_is_help=True)

_NAME: Final = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_ID_PREFIX: Final = re.compile(r"[a-z]{2,10}")
_OF_TEMPLATE: Final = re.compile(r"giftcards|giftcard|gft", re.IGNORECASE)
_WORD: Final = re.compile(r"[A-Za-z_]\w*")


@app.callback()
def new() -> None:
    """Begin a package of your own."""


@app.command("kind")
def new_kind(
    name: Annotated[str, typer.Argument(help="What one is called, in lower case: booking.")],
    *,
    plural: Annotated[
        str, typer.Option(help="What several are called; where it is not the name with an s.")
    ] = "",
    id_prefix: Annotated[
        str, typer.Option(help="What its ids begin with; where it is not the name's first letters.")
    ] = "",
    into: Annotated[
        Path | None, typer.Option(help="The folder to write; perdure-<plural> where none is given.")
    ] = None,
) -> None:
    """Write a package with a kind of operation of your own, which passes its tests as it stands."""
    names = _checked(name, plural or f"{name}s", id_prefix or name[:3])
    folder = into or Path(f"perdure-{names['giftcards']}")
    if folder.exists() and any(folder.iterdir()):
        raise Conflict(f"{folder} is there already, and not empty; choose another with --into.")
    for path, text in sorted(template().items()):
        written = folder / _renamed(path, names)
        written.parent.mkdir(parents=True, exist_ok=True)
        written.write_text(_renamed(text, names))
    out.print(f"{folder} has a kind of its own, {names['giftcards']}. Now:")
    out.print(f'  pip install -e "{folder}[test]" && pytest {folder}', markup=False)


def template() -> dict[str, str]:
    """Return the files of the example, by their paths in it."""
    inside = Path(__file__).with_name("giftcards")  # as the wheel has it
    folder = inside if inside.exists() else Path(__file__).parents[3] / "examples" / "giftcards"
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in folder.rglob("*")
        if path.suffix in {".py", ".toml", ".md"} and not path.is_relative_to(folder / ".perdure")
    }


def _checked(name: str, plural: str, id_prefix: str) -> dict[str, str]:
    """Return what the template's own names become.

    Raises:
        InvalidInput: One of them cannot be taken.
    """
    if plural in places():
        raise InvalidInput(f"There are {plural} already; choose another name.", param="name")
    for param, value in (("name", name), ("plural", plural)):
        if not _NAME.fullmatch(value):
            raise InvalidInput(
                f"{value!r} is no {param}; write it in lower case, as booking.", param=param
            )
        if keyword.iskeyword(value) or value in _words():
            raise InvalidInput(
                f"{value} is a word that every kind's code has; choose another {param}.",
                param=param,
            )
    if name == plural:
        raise InvalidInput(f"{name} and {plural} have to differ; give a --plural.", param="plural")
    if not _ID_PREFIX.fullmatch(id_prefix):
        raise InvalidInput(
            f"{id_prefix!r} is no beginning of ids; give two to ten letters as --id-prefix.",
            param="id_prefix",
        )
    if id_prefix in HOUSE_PREFIXES:
        raise InvalidInput(
            f"The house's own ids begin with {id_prefix}; give another --id-prefix.",
            param="id_prefix",
        )
    return {"giftcards": plural, "giftcard": name, "gft": id_prefix}


def _words() -> set[str]:
    """Return what the template's code calls things, beside what is renamed."""
    return {
        word
        for path, text in template().items()
        if path.endswith(".py")
        for word in _WORD.findall(_OF_TEMPLATE.sub("", text))
    }


def _renamed(text: str, names: dict[str, str]) -> str:
    def in_its_case(found: re.Match[str]) -> str:
        word = names[found[0].lower()]
        if found[0].isupper():
            return word.upper()
        return word if found[0].islower() else word.title().replace("_", "")

    return _OF_TEMPLATE.sub(in_its_case, text)
