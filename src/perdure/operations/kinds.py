"""The kinds of operation there are, as each capability declares its own."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from perdure.core.errors import ConfigurationError
from perdure.operations.correction import Correction
from perdure.operations.model import Operation
from perdure.storage.pool import Connection


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


class KindActions(Protocol):
    """What a kind of operation has to offer, for its operations to be corrected and relaunched."""

    @property
    def correctable(self) -> Mapping[str, str | None]:
        """The request's fields that can be corrected.

        Each with the provider's step that, once it was begun, fixes it; None: no step does.
        """
        ...

    def correct(self, operation: Operation, patch: Mapping[str, Any]) -> Correction:
        """Return the operation's request with a patch; nothing is written.

        Raises:
            InvalidInput, LimitExceeded: The patch, or the request it makes; names the field.
        """
        ...

    async def accept_again(
        self, connection: Connection, operation: Operation, *, actor: str, lane: int | None = None
    ) -> Operation:
        """Store a new operation with the request of one that failed.

        It has no reference yet: it takes over that of the one that failed when the two are linked.

        Raises:
            PerdureError: As when it is accepted for the first time.
        """
        ...
