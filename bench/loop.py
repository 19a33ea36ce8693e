"""The client's event loop."""

from typing import Any

import uvloop


class Loop(uvloop.Loop):
    """uvloop's, which starts processes as Perdure's supervisor asks for it."""

    async def subprocess_exec(
        self, *command: Any, process_group: int | None = None, **options: Any
    ) -> Any:
        """Start a process; in a session of its own where a group of its own was asked for.

        uvloop does not know `process_group`; a session of its own is a group of its own too.
        """
        return await super().subprocess_exec(
            *command, start_new_session=process_group == 0, **options
        )
