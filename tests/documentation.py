"""The commands that the documentation shows: what can be run, and summaries of options."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import typer
from typer.core import TyperGroup

from perdure.cli.main import app

ROOT: Final = Path(__file__).parents[1]
DOCUMENTS: Final = ("README.md", "docs/api.md", "docs/cli.md")
"""Those whose blocks are all run or checked, in the order in which somebody reads them."""

_BLOCK: Final = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A block of code: `sh` can be run, `text` holds summaries of commands, or a drawing."""

    document: str
    line: int
    info: str
    text: str

    @property
    def name(self) -> str:
        return f"{self.document}:{self.line}"


def blocks(*infos: str) -> list[Block]:
    """Return the documents' blocks; only those of these kinds, where some are named."""
    found = []
    for document in DOCUMENTS:
        text = (ROOT / document).read_text()
        for match in _BLOCK.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            found.append(Block(document, line, match[1], match[2]))
    return [block for block in found if not infos or block.info in infos]


def command_lines(text: str) -> list[str]:
    """Return the lines that are commands of `perdure`, without their comments."""
    lines = [line.partition("  #")[0].strip() for line in text.splitlines()]
    return [line for line in lines if line.startswith("perdure ")]


def what_is_wrong(line: str) -> list[str]:
    """Return what a command line or a summary of one says that `perdure` does not know."""
    words = shlex.split(re.sub(r"[\[\]]", " ", line).replace("…", "X"))[1:]
    commands, problems = _commands(words)
    for command, rest in commands:
        options = {name: one for one in command.params for name in (*one.opts, *one.secondary_opts)}
        given = {word.partition("=")[0] for word in rest if word.startswith("--")}
        problems += [f"{command.name} has no {name}" for name in sorted(given - set(options))]
        known = [options[name] for name in given & set(options)]
        problems += [
            f"{command.name} needs {one.opts[0]}"
            for one in options.values()
            if one.required and one not in known and one.param_type_name == "option"
        ]
        if len(rest) < 1 and any(
            one.required and one.param_type_name == "argument" for one in command.params
        ):
            problems.append(f"{command.name} needs what it is about")
    return problems


def _commands(words: list[str]) -> tuple[list[tuple[Any, list[str]]], list[str]]:
    """Return the commands that the words name, each with what is left of the words."""
    found: list[tuple[Any, list[str]]] = []
    problems: list[str] = []

    def descend(group: Any, left: list[str]) -> None:
        if not isinstance(group, TyperGroup) or (group.invoke_without_command and not named(left)):
            found.append((group, left))
            return
        for name in left[0].split("|") if left else [""]:
            if name in group.commands:
                descend(group.commands[name], left[1:])
            else:
                problems.append(f"there is no command {name!r} in {group.name}")

    def named(left: list[str]) -> bool:
        return bool(left) and not left[0].startswith("-")

    descend(typer.main.get_command(app), words)
    return found, problems
