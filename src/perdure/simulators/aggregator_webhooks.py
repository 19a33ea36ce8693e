"""The webhooks of a simulated aggregator: signed, by a key that changes, and sent until heard."""

import asyncio
import hashlib
import json
import time
from typing import Any, Final
from uuid import uuid4

import aiohttp
import jwt
import structlog
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from perdure.simulators.background import Background

log = structlog.get_logger()

OLD_CODES: Final = ("INITIAL_UPDATE", "HISTORICAL_UPDATE", "DEFAULT_UPDATE", "TRANSACTIONS_REMOVED")
"""What items told before there were cursors, and still tell."""
_AGAIN_S: Final = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
_TIMEOUT_S: Final = 10.0


class Keys:
    """The keys that sign: one now, and those that did before it."""

    def __init__(self) -> None:
        self._public: dict[str, dict[str, Any]] = {}
        self.rotate()

    def rotate(self) -> None:
        """Have another key sign; the one before it is expired."""
        now = int(time.time())
        for key in self._public.values():
            key["expired_at"] = key["expired_at"] or now
        self._kid = str(uuid4())
        self._key = ec.generate_private_key(ec.SECP256R1())
        jwk = ECAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        told = {"alg": "ES256", "use": "sig", "kid": self._kid}
        self._public[self._kid] = jwk | told | {"created_at": now, "expired_at": None}

    def public(self, kid: str) -> dict[str, Any] | None:
        """Return a key as Plaid tells of it; None: there is none."""
        return self._public.get(kid)

    def sign(self, body: bytes, *, signed_at: float | None = None) -> str:
        """Return the header that a body comes with."""
        claims = {
            "iat": int(time.time() if signed_at is None else signed_at),
            "request_body_sha256": hashlib.sha256(body).hexdigest(),
        }
        return jwt.encode(claims, self._key, "ES256", headers={"kid": self._kid})


class Webhooks:
    """Sends webhooks, each again until it is answered with 2xx."""

    def __init__(self, keys: Keys, background: Background) -> None:
        self._keys = keys
        self._background = background

    def send(self, url: str, told: dict[str, Any]) -> None:
        """Have a webhook be sent; nowhere, if no URL is given."""
        if url:
            # As Plaid writes them, with blanks: the digest is of the very bytes.
            self._background.start(self._deliver(url, json.dumps(told, indent=1).encode()))

    async def _deliver(self, url: str, body: bytes) -> None:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_TIMEOUT_S)) as client:
            for wait_s in (*_AGAIN_S, None):
                headers = {"Plaid-Verification": self._keys.sign(body)}
                try:
                    async with client.post(
                        url,
                        data=body,
                        headers={"Content-Type": "application/json", **headers},
                        allow_redirects=False,
                    ) as response:
                        if response.ok:
                            return
                except (aiohttp.ClientError, OSError) as error:
                    log.info("webhook_not_taken", url=url, error=type(error).__name__)
                if wait_s is not None:
                    await asyncio.sleep(wait_s)
