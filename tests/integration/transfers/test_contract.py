"""Transfers, by the contract of every kind."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import ClassVar

import httpx

from perdure.simulators.bank import BankSettings, open_bank
from perdure.testing.kind_contract import KindContract


class TestTransfers(KindContract):
    plural = "transfers"
    asks: ClassVar = {"destination": "dest_ok"}
    asks_refused: ClassVar = {"destination": "dest_declined"}
    refused_code = "account_closed"

    @asynccontextmanager
    async def open_provider(self, folder: Path) -> AsyncIterator[str]:
        async with open_bank(BankSettings(folder, port=0)) as port:
            yield f"http://127.0.0.1:{port}"

    def environment(self, url: str) -> dict[str, str]:
        return {"PERDURE_BANK_URL": url, "PERDURE_BANK_TIMEOUT_S": "1"}

    async def standing(self, url: str, operation_id: str) -> int:
        async with httpx.AsyncClient(base_url=url) as client:
            page = (await client.get("/v1/payouts", params={"reference": operation_id})).json()
        return sum(payout["status"] == "paid" for payout in page["data"])
