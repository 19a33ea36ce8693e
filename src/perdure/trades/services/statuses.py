"""The states of things at a gRPC service, in our words."""

from collections.abc import Iterable


def status_names(declared: Iterable[tuple[str, int]]) -> dict[int, str]:
    """Return the states of an enum without its name, in lower case: `BLOCK_STATUS_BLOCKED` is
    `blocked`.
    """
    return {number: name.partition("_STATUS_")[2].lower() for name, number in declared}


def status_of(names: dict[int, str], number: int) -> str:
    """Return a state's name; one that only the service's next version knows is its number."""
    return names.get(number, str(number))
