"""Who answers at an address: the simulator that should, another one, or nobody."""

import ssl
from typing import Final

import httpx

from perdure.core.identity import Identity

NO_TLS: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For what is asked without: it trusts nobody. To read whom to trust takes 20 ms a client."""
_PATIENCE_S: Final = 3.0


async def who_answers(url: str) -> Identity | None:
    """Return the simulator that answers; None: what does is none.

    Raises:
        httpx.HTTPError: Nobody answers.
    """
    async with httpx.AsyncClient(trust_env=False, verify=NO_TLS, timeout=_PATIENCE_S) as client:
        return Identity.of((await client.get(f"{url}/healthz")).headers)


def described(identity: Identity | None) -> str:
    """Say who it is, in words."""
    if identity is None:
        return "a program that is no simulator"
    whose = f" with the books {identity.books}" if identity.books else ""
    return f"the simulator {identity.kind}{whose}"
