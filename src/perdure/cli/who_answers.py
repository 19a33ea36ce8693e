"""Who answers at an address: the simulator that should, another one, or nobody."""

import httpx

from perdure.core.identity import Identity

_PATIENCE_S = 3.0


async def who_answers(url: str) -> Identity | None:
    """Return the simulator that answers; None: what does is none.

    Raises:
        httpx.HTTPError: Nobody answers.
    """
    async with httpx.AsyncClient(trust_env=False, timeout=_PATIENCE_S) as client:
        return Identity.of((await client.get(f"{url}/healthz")).headers)


def described(identity: Identity | None) -> str:
    """Say who it is, in words."""
    if identity is None:
        return "a program that is no simulator"
    whose = f" with the books {identity.books}" if identity.books else ""
    return f"the simulator {identity.kind}{whose}"
