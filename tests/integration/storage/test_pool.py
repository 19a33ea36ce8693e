"""A process's pool ends with it, whatever has become of its connections."""

import socket
from typing import Any

from perdure.storage.pool import open_pool


async def test_a_pool_closes_whose_connections_were_cut(database_url: str) -> None:
    async with open_pool(database_url, size=1) as pool:
        connection: Any
        async with pool.acquire() as connection:
            cut = connection._transport.get_extra_info("socket")
        cut.shutdown(socket.SHUT_WR)
        # Nothing was awaited since: the pool cannot know of it yet.
        assert pool.get_size() == 1
    assert pool.get_size() == 0
