"""`perdure demo`: the whole platform, something that goes wrong in it, and the proof.

A kind declares the command that shows it (`Capability.demo`). The first of them is what `perdure
demo` shows by itself, the others are named as their functions are.
"""

import inspect
from typing import Any

import typer

from perdure.capabilities import attribute, installed

app = typer.Typer(invoke_without_command=True)

_shown, *_others = [attribute(one.demo) for one in installed().values() if one.demo]


def demo(context: typer.Context, **given: Any) -> None:
    """Show the first kind's, where none is named."""
    if context.invoked_subcommand is None:
        _shown(**given)


_context = inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
_given = [
    one.replace(kind=inspect.Parameter.KEYWORD_ONLY)
    for one in inspect.signature(_shown).parameters.values()
]
# As typer reads it: with the options of what it shows.
demo.__signature__ = inspect.Signature([_context, *_given])  # type: ignore[attr-defined]
app.callback(help=inspect.getdoc(_shown))(demo)
for _other in _others:
    app.command()(_other)
