"""A night's reconciliation on the real server, with a bank that tells its own books."""

from pathlib import Path
from typing import Any

import httpx
from bench.planted_breaks import not_as_planted, plant
from temporalio.client import Client

from perdure.core.clock import utc_now
from perdure.core.ids import new_id
from perdure.simulators.bank import BankSettings, open_bank
from perdure.testing.house import House, open_house
from tests.polls import eventually

TODAY = utc_now().date()
ACCOUNTS = 160
BREAKS = 16
IBAN = "DE89370400440532013000"


async def transferred(house: House, amount_minor: int) -> str:
    """Transfer money to somebody; returns the operation."""
    account = await house.account(currency="USD")
    body = {**account, "amount_minor": amount_minor, "destination": IBAN}
    answer = await house.api.post("/v1/transfers", json=body)
    assert answer.status_code == 201, answer.text
    operation = await house.end_of(answer.json()["id"])
    assert operation.status == "succeeded"
    return operation.id


async def reconciled(house: House, **body: Any) -> dict[str, Any]:
    """Have today's books compared; returns the run at its end."""
    asked = await house.api.post("/v1/reconciliations", json={"day": str(TODAY), **body})
    assert asked.status_code == 201, asked.text
    await house.end_of(asked.json()["id"], within_s=120)
    found: dict[str, Any] = (
        await house.api.get(f"/v1/reconciliations/{asked.json()['id']}")
    ).json()
    assert found["status"] == "succeeded"
    return found


async def breaks_of(house: House, source: str) -> list[dict[str, Any]]:
    answer = await house.api.get(
        "/v1/reconciliation-breaks", params={"source": source, "open": True}
    )
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


async def resolved(house: House, break_id: str, status: str, **how: Any) -> dict[str, Any]:
    """Resolve a break; returns it once that is carried out."""
    path = f"/v1/reconciliation-breaks/{break_id}"
    answer = await house.api.post(f"{path}/resolve", json={"reason": "seen to", **how})
    assert answer.status_code == 200, answer.text

    async def is_done() -> bool:
        found = (await house.api.get(path)).json()
        failure = found["failure"] or {}
        return bool(found["status"] == status and failure.get("code") not in {*_CLASSES})

    await eventually(is_done, why_not=lambda: f"{break_id} is not {status}")
    found: dict[str, Any] = (await house.api.get(path)).json()
    return found


_CLASSES = ("missing_here", "missing_there")


async def test_a_night_is_reconciled_and_its_report_is_mailed_e4(
    postgres_url: str, temporal_client: Client, tmp_path: Path
) -> None:
    async with (
        open_bank(BankSettings(tmp_path, port=0)) as bank,
        open_house(
            postgres_url,
            temporal_client,
            tmp_path,
            bank_url=f"http://127.0.0.1:{bank}",
            reconciliation_books=["bank"],
            reconciliation_batch=20,
            # A run of the workflow takes three batches: the night is several of them.
            reconciliation_run_batches=3,
            reconciliation_pause_s=0,
            reconciliation_mail_to="compliance@example.com",
        ) as house,
    ):
        await plant(house.platform.pool, accounts=ACCOUNTS, breaks=BREAKS, day=TODAY)
        await transferred(house, 1250)
        # The bank paid once more than we asked for.
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{bank}", trust_env=False) as http:
            paid = await http.post(
                "/v1/payouts",
                json={
                    "reference": new_id("tfr"),
                    "amount_minor": 700,
                    "currency": "USD",
                    "destination": IBAN,
                },
            )
            assert paid.status_code < 300, paid.text
        night = await reconciled(house)
        (stray,) = await breaks_of(house, "bank")
        assert (stray["break_class"], stray["account_id"]) == ("missing_here", "sys_bank_USD")
        assert await not_as_planted(house.platform.pool) == []
        assert night["summary"]["breaks"] == dict.fromkeys(night["summary"]["breaks"], 2) | {
            "missing_here": 3
        }
        await _check_report(house, night)
        await _check_runs(temporal_client, night["id"])
        # Asked for again it is the same; a further run finds what was found.
        same = await house.api.post("/v1/reconciliations", json={"day": str(TODAY)})
        assert same.json()["id"] == night["id"]
        await _check_resolutions(house)


async def _check_report(house: House, night: dict[str, Any]) -> None:
    path = f"/v1/reconciliations/{night['id']}"
    page = (await house.api.get(f"{path}/report.html")).text
    table = (await house.api.get(f"{path}/report.csv")).text
    assert page.count("<tr>") > BREAKS
    assert len(table.splitlines()) == 1 + BREAKS + 1
    mails = (await house.mail.get("/v1/messages")).json()["data"]
    (mail,) = [one for one in mails if one["to"] == "compliance@example.com"]
    assert mail["subject"] == f"Reconciliation of {TODAY}: 17 breaks"
    assert "Breaks: 17" in mail["text"]


async def _check_runs(client: Client, workflow_id: str) -> None:
    lengths = [
        found.history_length
        async for found in client.list_workflows(f"WorkflowId = '{workflow_id}'")
    ]
    # Some hundred events, however many accounts there are.
    assert len(lengths) >= 2
    assert max(lengths) < 200


async def _check_resolutions(house: House) -> None:
    params: dict[str, str] = {"break_class": "missing_here", "open": "true", "limit": "50"}
    found = (await house.api.get("/v1/reconciliation-breaks", params=params)).json()["data"]
    missing, other = [one for one in found if one["source"] != "bank"]
    # Booked where there is no such account, it says why it needs attention again.
    stuck = await resolved(
        house, missing["id"], "needs_attention", how="book", account_id="acc_none"
    )
    assert stuck["failure"]["code"] == "account_not_found"
    done = await resolved(house, missing["id"], "succeeded", how="book", account_id="sys_bank_EUR")
    assert done["resolution"] == "book"
    cancelled = await house.api.post(
        f"/v1/operations/{other['id']}/cancel", json={"reason": "never mind"}
    )
    assert cancelled.status_code == 200, cancelled.text
    assert (await house.end_of(other["id"])).status == "cancelled"
    trail = [one.action for one in await house.platform.operations.trail(missing["id"])]
    assert trail[:3] == ["found", "corrected", "released"]
    again = await reconciled(house, again=True)
    assert (again["again"], again["summary"]["new"]) == (1, 0)
    assert again["summary"]["breaks"]["missing_here"] == 1
