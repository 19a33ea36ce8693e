"""The demo's night: the bank's statements come, not all is right in them, and it is found."""

import asyncio
import time
from collections import Counter
from pathlib import Path
from typing import Any, Final

from perdure.cli.api_client import ApiClient, part
from perdure.fintech import figures
from perdure.fintech.money import PaidIn
from perdure.fintech.scene import Scene
from perdure.fintech.statements import (
    DOLLARS,
    EUROS,
    SINCE,
    SOURCES,
    TERMS,
    Line,
    Planted,
    Planting,
    as_camt053,
    as_csv,
    plant,
)
from perdure.ledger.chart import SystemAccount, system_account_id
from perdure.reconciliation.statements.commands import load_file

COMPLIANCE: Final = "compliance@example.com"
_BREAKS_OF: Final = 100
"""To so many transfers there is one break of each class."""


async def reconcile(scene: Scene, paid_in: PaidIn) -> None:
    """Have statements come in which breaks are planted, and the books compared with them."""
    result = scene.result
    payouts = await _payouts(scene)
    planting = plant(
        paid_in.deposits,
        payouts,
        paid_in.received,
        of_each=max(1, result.transfers // _BREAKS_OF),
    )
    result.planted = Counter(planting.planted)
    files = await asyncio.to_thread(_write, scene.machine.folder.path / "statements", planting)
    scene.tell(
        f"The night of {planting.day}: the bank's statements have {len(planting.lines):,} entries."
        f" {len(planting.planted)} breaks are planted in them, and in its own books."
    )
    await _rebook(scene, planting, EUROS)
    for currency, path in files.items():
        scene.tell(f"perdure statements load {path} --source {SOURCES[currency]}")
    await scene.ask(lambda client: _load(client, files, planting))
    reconciliation_id = await _compare(scene, planting)
    # The bank's people have put it right.
    await _rebook(scene, planting, DOLLARS)
    await scene.ask(lambda client: _fetch_reports(client, scene, reconciliation_id, planting))
    subject = f"Reconciliation of {planting.day}"
    await scene.until_none(lambda: _untold(scene, subject), f"mail to {COMPLIANCE} is to come")
    result.compare("Mails to compliance that are missing", 0, await _untold(scene, subject))


async def _payouts(scene: Scene) -> list[Line]:
    """Return what the bank paid out, by its own books; the day is that of ours."""
    days = await figures.paid_on(scene.pool)
    return [
        Line(one["reference"], one["currency"], -one["amount_minor"], days[one["reference"]], "Out")
        for one in await scene.listed("bank", "/v1/payouts")
        if one["reference"] in days
    ]


async def _rebook(scene: Scene, planting: Planting, currency: str) -> None:
    for reference in planting.rebooked:
        path = f"/control/payouts/{reference}"
        await scene.control("bank", "PUT", path, {"currency": currency})


def _write(folder: Path, planting: Planting) -> dict[str, Path]:
    """Write the statements; returns the file of each currency."""
    files = {DOLLARS: folder / "dollars.csv", EUROS: folder / "euros.xml"}
    folder.mkdir()
    files[DOLLARS].write_text(as_csv(planting.of(DOLLARS)), newline="")
    files[EUROS].write_text(as_camt053(planting.of(EUROS), SOURCES[EUROS], planting.day))
    return files


def _load(client: ApiClient, files: dict[str, Path], planting: Planting) -> None:
    """Say whose the statements are, and load them."""
    for currency, path in files.items():
        source = SOURCES[currency]
        terms: dict[str, Any] = {
            "account_id": system_account_id(SystemAccount.BANK, currency),
            "currency": currency,
            "since": (planting.day - SINCE).isoformat(),
        }
        client.put(f"/v1/statement-accounts/{part(source)}", terms | TERMS[currency])
        with path.open("rb") as file:
            load_file(client, path.name, file, {"source": source})


async def _compare(scene: Scene, planting: Planting) -> str:
    """Have the day be reconciled; returns by which operation, with all that it found kept."""
    result, day = scene.result, planting.day.isoformat()
    scene.tell(f"perdure reconciliations create {day}")
    began = time.monotonic()
    made = await scene.ask(lambda client: client.post("/v1/reconciliations", {"day": day}))
    await scene.until_ended("reconciliation")
    result.reconciled_s = time.monotonic() - began
    view = await scene.ask(lambda client: client.get(f"/v1/reconciliations/{part(made['id'])}"))
    result.compare("The reconciliation", "succeeded", view["status"])
    result.matched = view["summary"]["matched_entries"]
    result.found = await figures.found_breaks(scene.pool, made["id"])
    result.differences += [
        *(f"Planted and not found: {_told(one)}." for one in (result.planted - result.found)),
        *(f"Found and not planted: {_told(one)}." for one in (result.found - result.planted)),
    ]
    scene.tell(
        f"In {result.reconciled_s:.1f} s: {view['summary']['accounts']:,} accounts compared,"
        f" {result.matched:,} entries matched, {result.found.total()} breaks found."
    )
    return str(made["id"])


def _told(planted: Planted) -> str:
    return f"{planted[0]} of {planted[1]}"


def _fetch_reports(
    client: ApiClient, scene: Scene, reconciliation_id: str, planting: Planting
) -> None:
    for form in ("html", "csv"):
        path = scene.machine.folder.path / f"reconciliation-{planting.day}.{form}"
        told = client.read(f"/v1/reconciliations/{part(reconciliation_id)}/report.{form}")
        path.write_bytes(told)
        scene.result.reports.append(path)


async def _untold(scene: Scene, subject: str) -> int:
    """Return how many reports compliance has yet to be sent."""
    messages = await scene.listed("mail", "/v1/messages")
    told = [str(one["subject"]) for one in messages if one["to"] == COMPLIANCE]
    return 1 - sum(one.startswith(subject) for one in told)
