"""Which workflows are operations.

Those whose id is an operation's, or one with a suffix for its children.
"""

import re
from typing import Final

from perdure.core.ids import NOTIFICATION

_OPERATION_ID: Final = re.compile(rf"(?!{NOTIFICATION}_)[a-z]{{1,63}}_[0-9a-z]{{26}}")
"""Whatever its kind: of other things, only messages have workflows that are called by an id."""


def operation_of(workflow_id: str) -> str | None:
    """Return the operation a workflow or its child works for; None for any other workflow."""
    found = _OPERATION_ID.match(workflow_id)
    return found[0] if found else None


def is_operation(workflow_id: str) -> bool:
    """Whether the workflow is an operation's own, not a child's."""
    return _OPERATION_ID.fullmatch(workflow_id) is not None


def reversal_id(operation_id: str) -> str:
    """Return the id of the workflow that undoes an operation."""
    return f"{operation_id}-reversal"
