"""A caller of the HTTP API that never gives up: the same request, the same key, until an answer."""

import asyncio
from collections.abc import Set
from contextlib import suppress
from typing import Any, Final

import httpx

from perdure.chaos.planned import FINISHED
from perdure.chaos.seen import Seen
from perdure.core.errors import ProviderUnavailable

_PATIENCE_S: Final = 120.0
_PAUSE_S: Final = 0.1
_LOOK_S: Final = 0.5
"""How often it is looked whether what is to be refunded, or called off, has come so far."""
_LOOK_S_MAX: Final = 600.0
"""And for how long: an operation takes its time while others are killed."""
_TIMEOUT_S: Final = 10.0
"""Longer than the API waits for anything; an answer that is later is taken for lost."""


class PersistentClient:
    """Posts to the API, again and again where there is no answer.

    Args:
        http: With the API's address and key.
    """

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self.retries = 0
        """How many requests had to be sent again."""

    async def post(
        self, path: str, body: dict[str, Any], *, key: str | None = None
    ) -> httpx.Response:
        """Post until there is an answer that will not change.

        A 500 is one: it is kept under its key.

        Raises:
            ProviderUnavailable: `api_away`: there was none for two minutes.
        """
        headers = {"Idempotency-Key": key} if key else {}
        deadline_s = asyncio.get_running_loop().time() + _PATIENCE_S
        while True:
            try:
                response = await self._http.post(
                    path, json=body, headers=headers, timeout=_TIMEOUT_S
                )
                if not _may_change(response):
                    return response
                said = f"{response.status_code} {_code(response)}"
            except httpx.HTTPError as error:
                said = type(error).__name__
            if asyncio.get_running_loop().time() > deadline_s:
                raise ProviderUnavailable(
                    f"POST {path} had no answer for {_PATIENCE_S:.0f} s: {said}.", code="api_away"
                )
            self.retries += 1
            await asyncio.sleep(_PAUSE_S)

    async def make(self, path: str, body: dict[str, Any], key: str, seen: Seen) -> None:
        """Make an operation, and note the answer; none, where the API stays away."""
        try:
            response = await self.post(path, body, key=key)
        except ProviderUnavailable:
            return
        if response.is_success:
            seen.operation_ids.append(response.json()["id"])
        else:
            seen.refusals.append(_code(response))

    async def cancel(self, path: str, operation_id: str, seen: Seen) -> None:
        """Cancel an operation, and note the answer."""
        body = {"reason": "Chaos cancels some."}
        try:
            response = await self.post(f"{path}/{operation_id}/cancel", body)
        except ProviderUnavailable as error:
            seen.cancellation = error.code
            return
        if response.is_success:
            seen.cancellation = "accepted"
        else:
            code = _code(response)
            seen.cancellation = "refused" if code == "not_cancellable" else code

    async def refund(self, path: str, operation_id: str, key: str, seen: Seen) -> None:
        """Refund an operation once it has succeeded, and note the answer; not one that did not."""
        try:
            if await self._reached(f"{path}/{operation_id}", FINISHED) != "succeeded":
                return
            body = {"reason": "Chaos refunds some."}
            response = await self.post(f"{path}/{operation_id}/refund", body, key=key)
        except ProviderUnavailable as error:
            seen.refund = error.code
            return
        seen.refund = "accepted" if response.is_success else _code(response)

    async def call_off_parked(self, path: str, operation_id: str, seen: Seen) -> None:
        """Cancel an operation once it waits for a person; not one that has ended before."""
        at = f"{path}/{operation_id}"
        if await self._reached(at, {*FINISHED, "needs_attention"}) == "needs_attention":
            await self.cancel(path, operation_id, seen)

    async def _reached(self, path: str, statuses: Set[str]) -> str | None:
        """Return which of these statuses an operation took; None: none of them, for long."""
        deadline_s = asyncio.get_running_loop().time() + _LOOK_S_MAX
        while asyncio.get_running_loop().time() < deadline_s:
            with suppress(httpx.HTTPError, ValueError, KeyError):
                status = str((await self._http.get(path, timeout=_TIMEOUT_S)).json()["status"])
                if status in statuses:
                    return status
            await asyncio.sleep(_LOOK_S)
        return None

    async def open_wallet(self, customer_id: str, number: int, deposit_minor: int) -> str:
        """Open an account with money on it; returns its id."""
        name = f"{customer_id}-{number}"
        account = await self.post(
            "/v1/accounts",
            {"customer_id": customer_id, "currency": "USD", "name": name},
            key=f"{name}-account",
        )
        account_id = str(account.raise_for_status().json()["id"])
        if not deposit_minor:
            return account_id
        deposit = await self.post(
            f"/v1/accounts/{account_id}/deposits",
            {"amount_minor": deposit_minor, "currency": "USD", "reference": name},
            key=f"{name}-deposit",
        )
        deposit.raise_for_status()
        return account_id


def _may_change(response: httpx.Response) -> bool:
    if response.status_code in (429, 502, 503, 504):
        return True
    return response.status_code == 409 and _code(response) == "idempotency_key_in_use"


def _code(response: httpx.Response) -> str:
    try:
        return str(response.json()["error"]["code"])
    except (ValueError, KeyError, TypeError):
        return f"http_{response.status_code}"
