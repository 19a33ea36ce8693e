"""Sessions of the console: who signed in with which key, and until when.

Only a digest of a session's token is kept. What a session may do is what its key may do now.
"""

import hashlib
import secrets
from datetime import timedelta
from typing import Final

from perdure.api.keys import ApiKey, digest_of
from perdure.storage.pool import Pool

_TOKEN_BYTES: Final = 32


async def begin_session(pool: Pool, key: ApiKey, lasts: timedelta) -> str:
    """Begin a session of who has a key, and return its token; those that are over are forgotten."""
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    await pool.execute(
        "WITH over AS (DELETE FROM console_sessions WHERE expires_at <= now())"
        " INSERT INTO console_sessions (token_sha256, api_key_id, expires_at)"
        " VALUES ($1, $2, now() + $3::interval)",
        digest_of(token),
        key.id,
        lasts,
    )
    return token


async def end_session(pool: Pool, token: str) -> None:
    """Have a token open nothing any more."""
    await pool.execute("DELETE FROM console_sessions WHERE token_sha256 = $1", digest_of(token))


def form_token(token: str) -> str:
    """Return what a form of this session carries: nobody else's page can know it."""
    return hashlib.sha256(b"form:" + token.encode()).hexdigest()
