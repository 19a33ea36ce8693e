"""The group of all commands: each is imported when it is called, so that none pays for another.

A worker that comes back after a crash is there a second earlier for it.
"""

from collections import UserDict
from importlib import import_module
from typing import Any, Final

import typer
from typer.core import TyperGroup

COMMANDS: Final = {
    "Operations and their money": {
        "payments": "payments:app",
        "transfers": "transfers:app",
        "renewals": "renewals:app",
        "domains": "domains:app",
        "operations": "operations:app",
        "bulk": "bulk:app",
        "ledger": "ledger:app",
    },
    "Whether all is well, and who may do what": {
        "doctor": "doctor:doctor",
        "verify": "verify:verify",
        "lanes": "lanes:lanes",
        "limits": "limits:app",
        "flags": "flags:app",
        "keys": "keys:app",
        "legacy": "legacy:app",
    },
    "Running it": {
        "up": "up:up",
        "migrate": "migrate:migrate",
        "api": "api:api",
        "worker": "worker:worker",
    },
    "Trying it": {
        "demo": "demo:app",
        "simulate": "simulate:app",
        "chaos": "chaos:chaos",
        "soak": "soak:soak",
    },
}
"""Where each command is: its module beside this one, and the function or the group in it.

By what they are for, in the order in which `perdure --help` shows them.
"""


class CommandGroup(TyperGroup):
    """A group with the commands above; takes what `TyperGroup` takes."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = _Commands(
            {
                name: (panel, place)
                for panel, commands in COMMANDS.items()
                for name, place in commands.items()
            }
        )


class _Commands(UserDict[str, Any]):
    """Commands by name; a place is replaced by what is there when it is first asked for."""

    def __getitem__(self, name: str) -> Any:
        found = super().__getitem__(name)
        if isinstance(found, tuple):
            found = self[name] = _imported(name, *found)
        return found


def _imported(name: str, panel: str, place: str) -> Any:
    module, attribute = place.split(":")
    found = getattr(import_module(f"perdure.cli.{module}"), attribute)
    parent = typer.Typer(add_completion=False)
    parent.callback()(lambda: None)
    if isinstance(found, typer.Typer):
        parent.add_typer(found, name=name, rich_help_panel=panel)
    else:
        parent.command(name, rich_help_panel=panel)(found)
    group = typer.main.get_command(parent)
    assert isinstance(group, TyperGroup), "it has a callback"
    return group.commands[name]
