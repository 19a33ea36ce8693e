"""What carries an operation out."""

from enum import StrEnum


class Gear(StrEnum):
    """What carries an operation out, or carried it to its end."""

    INTERACTIVE = "interactive"
    """An operations worker, directly; a workflow of its own as soon as it has to wait."""
    FLOOD = "flood"
    """A lane of its kind, with many others."""
    OWN_WORKFLOW = "own_workflow"
    ELSEWHERE = "elsewhere"
    """A system that Perdure replaces."""


class AskedGear(StrEnum):
    """What is to carry one out."""

    AUTO = "auto"
    """An operations worker, as long as there is nothing to wait for; then its own workflow."""
    OWN_WORKFLOW = "own_workflow"
    """From its first step on."""
    FLOOD = "flood"
    """A lane of its kind: cheapest, and behind what somebody waits for."""
