"""The demo, as it is run by whoever sees Perdure for the first time."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from perdure.reconciliation.matching.items import BreakClass
from tests.documentation import command_lines, what_is_wrong

from .conftest import PERDURE


def shown(environment: dict[str, str], folder: Path, *arguments: str) -> tuple[dict[str, Any], str]:
    """Run a demo to its end; returns its result, and what it told meanwhile."""
    done = subprocess.run(
        [*PERDURE, "demo", *arguments, "-o", "json", "--data-dir", str(folder)],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=580,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (line,) = done.stdout.splitlines()
    return json.loads(line), done.stderr


@pytest.mark.timeout(600)
def test_the_demo_adds_up_and_nothing_breaks(environment: dict[str, str], folder: Path) -> None:
    result, told = shown(environment, folder, "--payments", "60")
    rows_in_file = len((folder / "payments.csv").read_text().splitlines()) - 1
    assert result["rows"] == sum(result["by_status"].values()) == rows_in_file
    assert set(result["by_status"]) == {"succeeded", "failed", "cancelled", "rejected"}
    assert result["rows"] == result["payments"] + result["by_status"]["rejected"] + 1
    assert result["unexpected"] == []
    assert result["verify"]["ok"]
    assert result["verify"]["violations"] == []
    assert result["kills"] == 1
    check_told(told, ["perdure payments import"])
    assert "kill -9" in told
    assert "restarted" in told


def test_a_folder_that_is_not_a_demos_is_not_emptied(
    environment: dict[str, str], tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    kept.write_text("mine")
    done = subprocess.run(
        [*PERDURE, "demo", "--data-dir", str(tmp_path)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert kept.read_text() == "mine"


@pytest.mark.timeout(600)
def test_an_overrun_registry_renews_each_domain_once(
    environment: dict[str, str], folder: Path
) -> None:
    """The flag, the saturated registry, the limit, the bulk relaunch (R-1, R-4, R-5, R-8, R-9)."""
    result, told = shown(environment, folder, "renewals", "--domains", "40")
    assert result["by_engine"] == {"legacy": 40, "perdure": 40}
    assert result["requests"] > result["domains"] == 80
    assert result["relaunched"] == result["stopped"] > 0
    assert result["by_status"] == {"succeeded": 80}
    assert result["times_renewed"] == {"1": 80}
    assert result["verify"]["violations"] == []
    check_told(told, ["perdure limits set", "perdure bulk create relaunch"])


@pytest.mark.timeout(600)
def test_what_orders_agreed_is_exchanged_or_given_back_whole(
    environment: dict[str, str], folder: Path
) -> None:
    """A service is killed in the middle, and one asset is never delivered."""
    result, told = shown(environment, folder, "trades", "--orders", "100")
    stored = {(one["status"], one["reason"]): one["orders"] for one in result["by_status"]}
    assert sum(stored.values()) + sum(result["refused"].values()) == result["orders"] == 100
    assert set(result["refused"]) == {"asset_not_found", "insufficient_funds", "invalid_price"}
    assert not {status for status, _ in stored} & {"reserving", "entering"}
    assert result["traded"] > 0
    assert result["reversed"]["recipient_frozen"] > 0
    assert result["trades"] == result["traded"] + sum(result["reversed"].values())
    assert result["before"] == result["after"]
    assert set(result["after"]) == {"GEM", "RELIC", "STAMP", "WINE", "EUR", "USD"}
    assert (result["differences"], result["verify"]["violations"]) == ([], [])
    assert result["kills"] == 1
    assert "wallets was killed (signal 9); restarted" in told


@pytest.mark.timeout(600)
def test_customers_come_and_go_and_what_is_wrong_at_the_bank_is_found(
    environment: dict[str, str], folder: Path
) -> None:
    """Onboarded, linked, paid, one erased; then breaks of all classes (E-1, E-2, E-3, E-4)."""
    sizes = ("--customers", "8", "--transactions", "200", "--transfers", "26")
    result, told = shown(environment, folder, "fintech", *sizes)
    assert result["applications"] == {
        "approved": 7,
        "approved, after more was asked for": 1,
        "declined": 1,
        "never completed": 1,
    }
    assert result["transactions"] == 200
    assert result["transfers"] == {"account_closed": 1, "succeeded": 25}
    assert result["planted"] == result["found"] == dict.fromkeys(map(str, BreakClass), 1)
    assert (result["differences"], result["verify"]["violations"]) == ([], [])
    page, table = map(Path, result["reports"])
    rows = table.read_text().splitlines()
    assert len(rows) == 1 + len(BreakClass)
    assert all(row.partition(",")[0] in page.read_text() for row in rows[1:])
    load = "perdure statements load"
    check_told(told, [load, load, "perdure reconciliations create"])


@pytest.mark.long
@pytest.mark.timeout(600)
def test_celery_is_left_while_orders_flow_t7(environment: dict[str, str], folder: Path) -> None:
    """The flag goes up, down and up, and the old system's worker is killed twice."""
    result, told = shown(environment, folder, "trades", "--move", "--orders", "200")
    assert set(result["by_engine"]) == {"legacy", "perdure"}
    assert sum(result["by_engine"].values()) == result["trades"]
    assert result["again"] > 0
    assert (result["missing"], result["doubled"], result["left"], result["parked"]) == (0, 0, 0, 0)
    assert (result["before"], result["verify"]["violations"]) == (result["after"], [])
    assert result["shadow"]["equal"] == result["shadow"]["compared"] > 0
    assert told.count("legacy-trades-worker was killed (signal 9); restarted") == 2


def check_told(told: str, commands: list[str]) -> None:
    """See that what the demo says it does can be pasted (F27)."""
    lines = command_lines(told)
    assert len(lines) == len(commands)
    assert all(line.startswith(command) for line, command in zip(lines, commands, strict=True))
    assert [problem for line in lines for problem in what_is_wrong(line)] == []
