import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from perdure.core.errors import (
    ProviderDeclined,
    ProviderError,
    ProviderOutcomeUnknown,
    ProviderRateLimited,
)
from perdure.providers.bank import HttpPayoutBank, Payout
from perdure.providers.http_client import open_http_client
from perdure.simulators.bank import BankSettings, open_bank
from perdure.simulators.bank_behaviour import Fault
from perdure.simulators.faults import Chance

IBAN = "DE89370400440532013000"


@dataclass(frozen=True, slots=True)
class RunningBank:
    """A bank that runs in this process, with our client of it."""

    client: HttpPayoutBank
    http: httpx.AsyncClient

    async def pay_out(
        self, reference: str = "tfr_1", destination: str = IBAN, *, amount_minor: int = 1250
    ) -> Payout:
        return await self.client.pay_out(
            reference=reference,
            amount_minor=amount_minor,
            currency="EUR",
            destination=destination,
        )

    async def statuses(self, reference: str = "tfr_1") -> list[str]:
        answer = await self.http.get("/v1/payouts", params={"reference": reference})
        return [payout["status"] for payout in answer.json()["data"]]

    async def totals(self) -> dict[str, Any]:
        answer: dict[str, Any] = (await self.http.get("/v1/totals")).json()
        return answer


StartBank = Callable[..., Awaitable[RunningBank]]


@pytest.fixture
async def start_bank(tmp_path: Path) -> AsyncIterator[StartBank]:
    """Starts a bank with the settings given."""
    async with AsyncExitStack() as stack:

        async def start(*, idempotent: bool = False, chance: Chance[Fault] | None = None) -> Any:
            settings = BankSettings(
                tmp_path,
                port=0,
                idempotent=idempotent,
                slow_s=0.2,
                chance=chance or Chance(),
            )
            url = f"http://127.0.0.1:{await stack.enter_async_context(open_bank(settings))}"
            client = await stack.enter_async_context(open_http_client(url, timeout_s=2))
            http = await stack.enter_async_context(httpx.AsyncClient(base_url=url))
            return RunningBank(HttpPayoutBank(client), http)

        yield start


@pytest.fixture
async def bank(start_bank: StartBank) -> RunningBank:
    """A bank as it is run by default, only quicker."""
    return await start_bank()


@pytest.mark.parametrize("destination", [IBAN, "dest_ok", "dest_slow", "dest_not_recallable"])
async def test_a_payout_is_paid_and_found(bank: RunningBank, destination: str) -> None:
    assert await bank.client.find_payout("tfr_1") is None
    payout = await bank.pay_out(destination=destination)
    assert payout == Payout(payout.id, "tfr_1", 1250, "EUR", "paid")
    assert await bank.client.find_payout("tfr_1") == payout


async def test_by_default_the_same_reference_pays_again_and_the_audit_shows_it(
    bank: RunningBank,
) -> None:
    first, second = await bank.pay_out(), await bank.pay_out()
    assert first.id != second.id
    assert await bank.client.find_payout("tfr_1") == first
    totals = await bank.totals()
    assert totals["duplicates"] == {"count": 1, "references": ["tfr_1"]}
    assert totals["payouts"]["paid_minor"] == {"EUR": 2500}


async def test_a_declined_payout_is_never_made(bank: RunningBank) -> None:
    with pytest.raises(ProviderDeclined) as caught:
        await bank.pay_out(destination="dest_declined")
    assert caught.value.code == "account_closed"
    assert await bank.client.find_payout("tfr_1") is None
    assert (await bank.totals())["refusals"] == 1


async def test_a_payout_that_fails_moves_nothing_and_says_why(bank: RunningBank) -> None:
    payout = await bank.pay_out(destination="dest_fails")
    assert (payout.status, payout.failure_code) == ("failed", "account_blocked")
    assert await bank.client.find_payout("tfr_1") == payout
    assert await bank.client.recall_payout("tfr_1") == payout
    assert (await bank.totals())["payouts"]["paid_minor"] == {}


async def test_flaky_fails_twice_without_any_effect(bank: RunningBank) -> None:
    for _ in range(2):
        with pytest.raises(ProviderOutcomeUnknown) as caught:
            await bank.pay_out(destination="dest_flaky")
        assert not caught.value.in_flight
        assert await bank.client.find_payout("tfr_1") is None
    assert (await bank.pay_out(destination="dest_flaky")).status == "paid"


async def test_rate_limited_says_how_long_to_wait(bank: RunningBank) -> None:
    for _ in range(2):
        with pytest.raises(ProviderRateLimited) as caught:
            await bank.pay_out(destination="dest_rate_limited")
        assert caught.value.retry_after_s == 1
    assert (await bank.pay_out(destination="dest_rate_limited")).status == "paid"


async def test_down_never_has_an_effect(bank: RunningBank) -> None:
    for _ in range(4):
        with pytest.raises(ProviderOutcomeUnknown):
            await bank.pay_out(destination="dest_down")
    assert await bank.statuses() == []


@pytest.mark.parametrize(
    ("destination", "in_flight"),
    [("dest_error_after", False), ("dest_cut_after", True), ("dest_timeout", True)],
)
async def test_a_lost_answer_leaves_a_payout_that_the_inquiry_finds(
    bank: RunningBank, destination: str, in_flight: bool
) -> None:
    with pytest.raises(ProviderOutcomeUnknown) as caught:
        await bank.pay_out(destination=destination)
    assert caught.value.in_flight is in_flight
    found = await bank.client.find_payout("tfr_1")
    assert found is not None
    assert found.status == "paid"
    await bank.pay_out(destination=destination)  # whoever does not ask pays twice
    assert await bank.statuses() == ["paid", "paid"]


async def test_a_recall_takes_the_money_back_once(bank: RunningBank) -> None:
    paid = await bank.pay_out()
    first, second = [await bank.client.recall_payout("tfr_1") for _ in range(2)]
    assert first == second
    assert (first.id, first.amount_minor, first.status) == (paid.id, 1250, "recalled")
    assert await bank.client.find_payout("tfr_1") == first
    payouts = (await bank.totals())["payouts"]
    assert (payouts["paid"], payouts["recalled"]) == (0, 1)
    assert payouts["paid_minor"] == {"EUR": 0}


@pytest.mark.parametrize("was_paid", [True, False])
@pytest.mark.parametrize("idempotent", [True, False])
async def test_what_arrives_after_a_recall_is_declined(
    start_bank: StartBank, was_paid: bool, idempotent: bool
) -> None:
    bank = await start_bank(idempotent=idempotent)
    if was_paid:
        await bank.pay_out()
    recalled = await bank.client.recall_payout("tfr_1")
    assert recalled.status == "recalled"
    assert await bank.client.recall_payout("tfr_1") == recalled
    with pytest.raises(ProviderDeclined) as caught:
        await bank.pay_out()
    assert caught.value.code == "payout_recalled"
    assert await bank.statuses() == ["recalled"]


@pytest.mark.parametrize(
    "change",
    [
        {"amount_minor": 0},
        {"amount_minor": 12.5},
        {"amount_minor": "12"},
        {"amount_minor": 2**63},
        {"currency": "euro"},
        {"reference": ""},
        {"destination": ""},
        {"destination": None},
    ],
)
async def test_a_payout_that_makes_no_sense_is_rejected(
    bank: RunningBank, change: dict[str, object]
) -> None:
    body = {"reference": "tfr_1", "amount_minor": 1, "currency": "EUR", "destination": IBAN}
    response = await bank.http.post("/v1/payouts", json=body | change)
    assert response.status_code == 400
    assert next(iter(change)) in response.json()["error"]["message"]
    assert (await bank.http.post("/v1/payouts/recall", json={})).status_code == 400
    assert (await bank.totals())["payouts"]["count"] == 0


@pytest.mark.parametrize(
    "kind",
    [Fault.UNAVAILABLE_BEFORE, Fault.RATE_LIMITED, Fault.UNAVAILABLE_AFTER, Fault.CUT_AFTER],
)
async def test_faults_by_chance_hit_payouts_and_recalls(bank: RunningBank, kind: Fault) -> None:
    await bank.pay_out("tfr_1")
    answer = await bank.http.put("/control/faults", json={"rate": 1, "kinds": [kind]})
    assert answer.json() == (await bank.http.get("/control/faults")).json()
    assert answer.json()["kinds"] == [kind]
    with pytest.raises(ProviderError):
        await bank.pay_out("tfr_2")
    with pytest.raises(ProviderError):
        await bank.client.recall_payout("tfr_1")
    was_done = kind in {Fault.UNAVAILABLE_AFTER, Fault.CUT_AFTER}
    assert await bank.statuses("tfr_2") == (["paid"] if was_done else [])
    assert await bank.statuses("tfr_1") == (["recalled"] if was_done else ["paid"])
    await bank.http.put("/control/faults", json={"rate": 0})
    assert (await bank.pay_out("tfr_3")).status == "paid"


async def test_a_delay_by_chance_answers_all_the_same(start_bank: StartBank) -> None:
    bank = await start_bank(chance=Chance(rate=1.0, kinds=(Fault.DELAY,)))
    assert (await bank.pay_out()).status == "paid"


async def test_faults_without_kinds_are_all_there_are(bank: RunningBank) -> None:
    answer = await bank.http.put("/control/faults", json={"rate": 0.1, "seed": 3})
    assert answer.json() == {"rate": 0.1, "seed": 3, "kinds": list(Fault)}
    bodies: list[object] = [{"rate": 2}, {"kinds": ["callback_dropped"]}, []]
    for body in bodies:
        assert (await bank.http.put("/control/faults", json=body)).status_code == 400


async def test_concurrent_payouts_are_all_kept_and_listed_in_pages(bank: RunningBank) -> None:
    references = [f"tfr_{number}" for number in range(60)]
    await asyncio.gather(*(bank.pay_out(reference) for reference in references))
    totals = await bank.totals()
    assert totals["payouts"]["paid"] == 60
    assert totals["payouts"]["paid_minor"] == {"EUR": 60 * 1250}
    assert totals["duplicates"]["count"] == 0
    found: list[str] = []
    params = {"limit": "50"}
    for _ in range(2):
        answer = (await bank.http.get("/v1/payouts", params=params)).json()
        found += [payout["reference"] for payout in answer["data"]]
        params["starting_after"] = answer["data"][-1]["id"]
    assert sorted(found) == sorted(references)
    assert answer["has_more"] is False
