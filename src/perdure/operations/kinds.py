"""The kinds of operation there are, as each capability declares its own."""

from collections.abc import Iterable
from dataclasses import dataclass

from perdure.core.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class OperationKind:
    """A kind of operation.

    Args:
        name: As in `operations.kind`.
        id_prefix: The first part of its ids.
        workflow: The name of its workflow.
    """

    name: str
    id_prefix: str
    workflow: str


class OperationKinds:
    """Finds a kind by name."""

    def __init__(self, kinds: Iterable[OperationKind]) -> None:
        self._by_name = {kind.name: kind for kind in kinds}

    def __getitem__(self, name: str) -> OperationKind:
        """Return a kind.

        Raises:
            ConfigurationError: This version knows none of that name.
        """
        if name not in self._by_name:
            raise ConfigurationError(
                f"This version has no operations of the kind {name!r}; run one that has."
            )
        return self._by_name[name]

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    @property
    def names(self) -> list[str]:
        """All kinds' names, sorted."""
        return sorted(self._by_name)

    @property
    def workflows(self) -> list[str]:
        """All kinds' workflow names, sorted."""
        return sorted(kind.workflow for kind in self._by_name.values())
