"""What the API, the CLI and corrections need to know of a request's field: a note beside its type.

    destination: Annotated[str, Note("Where the money goes.", fixed_by="pay_out")]

The field's type and its JSON are what they would be without it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_type_hints


@dataclass(frozen=True, slots=True)
class Note:
    """What is known of a field beside its name and type.

    Args:
        description: For the API's reference.
        examples: Values that work against the simulators.
        default: What it is where the API's caller does not say; None: the dataclass's own default,
            or none.
        fixed_by: The step at a provider that, once it was begun, fixes the field; until then it can
            be corrected. As in `operation_steps.step`: `pay_out`.
        correctable: It can be corrected, and no step fixes it.
        option: The command line's option, as `expires-on`; empty: as the field is called.
        help: The command line's words; empty: the description.
        option_default: What it is where the command line does not say; None: as `default`.
        in_summary: `get` shows it to people.
        personal: It tells who somebody is: it is emptied where its customer is erased, and looked
            for elsewhere in their rows. A text, a list, or what may be None.
        free_text: Anything may stand in it: it is emptied then too, and not looked for.
    """

    description: str = ""
    examples: Sequence[Any] = ()
    default: Any = None
    fixed_by: str | None = None
    correctable: bool = False
    option: str = ""
    help: str = ""
    option_default: Any = None
    in_summary: bool = False
    personal: bool = False
    free_text: bool = False


def notes_of(request: type) -> dict[str, Note]:
    """Return the note of each field of a dataclass, in their order; an empty one where it has none.

    It is looked for in the field's own type, not in what that is made of.
    """
    hints = get_type_hints(request, include_extras=True)
    return {
        name: next(
            (said for said in getattr(hint, "__metadata__", ()) if type(said) is Note), _NONE
        )
        for name, hint in hints.items()
    }


def correctable(request: type) -> Mapping[str, str | None]:
    """Return the fields that can be corrected, each with the step that fixes it, or None."""
    return {
        name: note.fixed_by
        for name, note in notes_of(request).items()
        if note.correctable or note.fixed_by is not None
    }


_NONE = Note()
