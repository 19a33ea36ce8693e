"""Payments, by the contract of every kind."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import ClassVar

import httpx

from perdure.simulators.fraud_scorer import FraudScorerSettings, open_fraud_scorer
from perdure.simulators.gateway import open_gateway
from perdure.simulators.gateway_processing import GatewaySettings
from perdure.testing.kind_contract import KindContract

from .town import SECRET


class TestPayments(KindContract):
    plural = "payments"
    asks: ClassVar = {"payment_method": "tok_ok"}
    asks_refused: ClassVar = {"payment_method": "tok_declined"}
    refused_code = "card_declined"
    statuses = ("pending", "processing", "waiting", "succeeded")

    @asynccontextmanager
    async def open_provider(self, folder: Path) -> AsyncIterator[str]:
        gateway = GatewaySettings(folder, SECRET, port=0, confirm_delay_s=0.1)
        async with (
            open_fraud_scorer(FraudScorerSettings(port=0)) as scorer,
            open_gateway(gateway) as port,
        ):
            self.scorer_url = f"http://127.0.0.1:{scorer}"
            yield f"http://127.0.0.1:{port}"

    def environment(self, url: str) -> dict[str, str]:
        return {
            "PERDURE_GATEWAY_URL": url,
            "PERDURE_GATEWAY_TIMEOUT_S": "1",
            "PERDURE_GATEWAY_CALLBACK_SECRETS": f'["{SECRET}"]',
            "PERDURE_FRAUD_SCORER_URL": self.scorer_url,
        }

    async def standing(self, url: str, operation_id: str) -> int:
        async with httpx.AsyncClient(base_url=url) as client:
            page = (await client.get("/v1/charges", params={"reference": operation_id})).json()
        return sum(
            charge["status"] in {"pending", "succeeded"}
            and charge["refunded_minor"] < charge["amount_minor"]
            for charge in page["data"]
        )
