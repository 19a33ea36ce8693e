"""Where a kind is tested: a house, the kind's provider, and the wire between them."""

import asyncio
import os
import sys
from dataclasses import dataclass, field
from typing import Final

from perdure.capability.declaration import Capability
from perdure.operations.lanes.store import interactive_lane
from perdure.operations.model import By, Operation
from perdure.testing.house import House
from perdure.testing.wire import AnyWire

BY: Final = By("tests", "The contract asks for it.")


@dataclass
class Scene:
    """A house with the kind under test, and the wire to its provider.

    Attributes:
        server: Where the provider is, past the wire.
        begun: The operations that tests began.
    """

    house: House
    wire: AnyWire
    server: str
    kind: Capability
    begun: list[str] = field(default_factory=list)

    @property
    def gears(self) -> list[int | None]:
        """What carries one out: its own workflow (None), and lanes if the kind has any."""
        return [None, 0, interactive_lane(0)] if self.kind.has_lane else [None]

    async def begin(self, accepted: Operation) -> None:
        """Have one that was taken in begin."""
        self.begun.append(accepted.id)
        await self.house.platform.operations.begin(accepted)

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
