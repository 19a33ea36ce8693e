"""The group of all commands: each is imported when it is called, so that none pays for another.

A worker that comes back after a crash is there a second earlier for it.
"""

from collections import UserDict
from importlib import import_module
from typing import Any, Final

import typer
from typer.core import TyperGroup

COMMANDS: Final = {
    "up": "up:up",
    "chaos": "chaos:chaos",
    "soak": "soak:soak",
    "doctor": "doctor:doctor",
    "lanes": "lanes:lanes",
    "verify": "verify:verify",
    "migrate": "migrate:migrate",
    "api": "api:api",
    "worker": "worker:worker",
    "demo": "demo:app",
    "simulate": "simulate:app",
    "payments": "payments:app",
    "transfers": "transfers:app",
    "renewals": "renewals:app",
    "domains": "domains:app",
    "operations": "operations:app",
    "bulk": "bulk:app",
    "ledger": "ledger:app",
    "legacy": "legacy:app",
    "limits": "limits:app",
    "flags": "flags:app",
    "keys": "keys:app",
}
"""Where each command is: its module beside this one, and the function or the group in it."""


class CommandGroup(TyperGroup):
    """A group with the commands above; takes what `TyperGroup` takes."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = _Commands(COMMANDS)


class _Commands(UserDict[str, Any]):
    """Commands by name; a place is replaced by what is there when it is first asked for."""

    def __getitem__(self, name: str) -> Any:
        found = super().__getitem__(name)
        if isinstance(found, str):
            found = self[name] = _imported(name, found)
        return found


def _imported(name: str, place: str) -> Any:
    module, attribute = place.split(":")
    found = getattr(import_module(f"perdure.cli.{module}"), attribute)
    parent = typer.Typer(add_completion=False)
    parent.callback()(lambda: None)
    if isinstance(found, typer.Typer):
        parent.add_typer(found, name=name)
    else:
        parent.command(name)(found)
    group = typer.main.get_command(parent)
    assert isinstance(group, TyperGroup), "it has a callback"
    return group.commands[name]
