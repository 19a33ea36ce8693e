"""Where a kind is tested: a house, the kind's provider, and the wire between them."""

import asyncio
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from perdure.capability.declaration import Capability
from perdure.core.errors import PerdureError
from perdure.operations.lanes.store import interactive_lane
from perdure.operations.model import By, Operation
from perdure.operations.steps import from_json
from perdure.testing.house import House
from perdure.testing.wire import Wire

BY: Final = By("tests", "The contract asks for it.")


@dataclass
class Scene:
    """A house with the kind under test, and the wire to its provider.

    Attributes:
        server: Where the provider is, past the wire.
        begun: The operations that tests began.
    """

    house: House
    wire: Wire
    server: str
    kind: Capability
    begun: list[str] = field(default_factory=list)

    @property
    def gears(self) -> list[int | None]:
        """What carries one out: its own workflow (None), and lanes if the kind has any."""
        return [None, 0, interactive_lane(0)] if self.kind.has_lane else [None]

    async def accept(self, asked: Mapping[str, Any], lane: int | None) -> Operation:
        """Take one in, and have it begin.

        Raises:
            PerdureError: It was refused.
        """
        operations = self.house.platform.operations
        request: Any = from_json(self.kind.request, dict(asked))
        async with operations.transaction() as connection:
            (found,) = await self.house.platform.kinds.acceptance(self.kind.name).accept_many(
                connection, [request], actor=BY.actor, lanes=[lane]
            )
        if isinstance(found, PerdureError):
            raise found
        self.begun.append(found.id)
        await operations.begin(found)
        return found

    async def command(self, *arguments: str) -> str:
        """Run a command of the kind's own group, as a shell does; returns what it prints."""
        api = self.house.api
        key = api.headers["Authorization"].removeprefix("Bearer ")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", "from perdure.cli.main import main; main()"),
            *(self.kind.plural, *arguments),
            env={**os.environ, "PERDURE_API_URL": str(api.base_url), "PERDURE_API_KEY": key},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        printed, told = await process.communicate()
        assert process.returncode == 0, told.decode()
        return printed.decode()
