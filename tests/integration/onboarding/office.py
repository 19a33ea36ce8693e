"""Where people are onboarded: a house, the verifier with its desk, and the wire between them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import httpx
from temporalio.client import Client

from perdure.operations.model import Operation
from perdure.simulators.aggregator import AggregatorSettings, open_aggregator
from perdure.simulators.identity import IdentitySettings, open_identity
from perdure.testing.house import House, open_house
from perdure.testing.wire import Wire, open_wire
from tests.polls import eventually

SECRET: Final = "whsec_" + "c2VjcmV0LW9mLXRoZS10ZXN0cy0wMDAwMDAwMA=="
STEP_S: Final = 0.05
PERSON: Final = {"birth_date": "1990-12-10", "country": "FR"}


@dataclass
class Office(House):
    """Perdure, the verifier's desk, and the wire to the verifier."""

    verifier: httpx.AsyncClient
    wire: Wire
    aggregator_wire: Wire

    async def onboard(self, full_name: str = "Ada Lovelace", **asked: Any) -> str:
        """Ask for an onboarding through the API; returns its id."""
        customer_id = f"cus_{uuid4().hex[:8]}"
        body = {
            "customer_id": customer_id,
            "full_name": full_name,
            "email": f"{customer_id}@example.com",
            **PERSON,
            **asked,
        }
        answer = await self.api.post("/v1/onboardings", json=body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    async def view(self, operation_id: str) -> dict[str, Any]:
        """Return an onboarding as the API shows it."""
        found: dict[str, Any] = (await self.api.get(f"/v1/onboardings/{operation_id}")).json()
        return found

    async def until_identity(self, operation_id: str, status: str) -> dict[str, Any]:
        """Wait until a check stands so; returns the view."""
        view: dict[str, Any] = {}

        async def stands_so() -> bool:
            nonlocal view
            view = await self.view(operation_id)
            return bool(view["identity_status"] == status)

        await eventually(stands_so, why_not=lambda: view)
        return view

    async def decide(self, reference: str, status: str, **more: Any) -> None:
        """Have the verifier's people decide, once there is something to decide."""
        await eventually(lambda: self.check(reference))
        answer = await self.verifier.post(
            f"/control/checks/{reference}", json={"status": status, **more}
        )
        assert answer.status_code == 200, answer.text

    async def check(self, reference: str) -> dict[str, Any] | None:
        """Return what the verifier has under a reference."""
        page = await self.verifier.get("/v1/checks", params={"reference": reference})
        return next(iter(page.json()["data"]), None)

    async def told(self, operation_id: str) -> dict[str, str]:
        """Return the messages that an onboarding owes, by audience and channel."""
        rows = await self.platform.pool.fetch(
            "SELECT audience || ':' || channel AS who, subject || ' | ' || body AS said"
            " FROM notifications WHERE operation_id = $1",
            operation_id,
        )
        return {row["who"]: row["said"] for row in rows}

    async def standing(self, operation: Operation) -> tuple[str, set[str]]:
        """Return how the customer's profile stands, and how their accounts do."""
        customer_id = operation.customer_id
        profile = await self.platform.pool.fetchval(
            "SELECT status FROM profiles WHERE customer_id = $1", customer_id
        )
        accounts = await self.platform.pool.fetch(
            "SELECT currency || ' ' || status AS stands FROM ledger_accounts"
            " WHERE customer_id = $1",
            customer_id,
        )
        return str(profile), {row["stands"] for row in accounts}

    async def actions(self, operation_id: str) -> list[str]:
        """Return what its trail says was done."""
        return [entry.action for entry in await self.platform.operations.trail(operation_id)]


@asynccontextmanager
async def open_office(
    postgres_url: str, client: Client, folder: Path, **settings: Any
) -> AsyncIterator[Office]:
    """Open the house with its verifier.

    Args:
        settings: Settings that differ from the tests' own.
    """
    at = IdentitySettings(folder / "identity", SECRET, port=0, step_s=STEP_S)
    async with (
        open_aggregator(AggregatorSettings(folder / "aggregator", port=0)) as aggregator,
        open_wire(f"http://127.0.0.1:{aggregator}") as aggregator_wire,
        open_identity(at) as port,
        open_wire(f"http://127.0.0.1:{port}") as wire,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as desk,
    ):
        given = {
            "identity_url": wire.url,
            "identity_timeout_s": 1.0,
            "identity_callback_secrets": [SECRET],
            "aggregator_url": aggregator_wire.url,
            "aggregator_timeout_s": 1.0,
            "onboarding_inquiry_s": 0.2,
            "onboarding_follow_up_s": 2.0,
        }
        async with open_house(postgres_url, client, folder, **(given | settings)) as house:
            yield Office(**vars(house), verifier=desk, wire=wire, aggregator_wire=aggregator_wire)
