"""The whole platform, killed at random while it works: nothing is lost, doubled or left over.

`make test-long` runs more rounds than a suite has time for, `perdure chaos --rounds 100` as many as
one likes.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROUNDS = int(os.environ.get("CHAOS_ROUNDS", "3"))
PAYMENTS, TRANSFERS, RENEWALS, ORDERS, KILLS = 88, 10, 10, 30, 4
ONBOARDINGS, BANK_SYNCS = 6, 6
SEED = 16
"""Three rounds that kill workers, the API, PostgreSQL, Temporal and the gateway; one read-only."""


@pytest.mark.timeout(180 + 300 * ROUNDS)
def test_no_payment_is_lost_or_doubled_whoever_is_killed(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "perdure.cli.main", "chaos", "--output", "json"),
            *("--rounds", str(ROUNDS), "--payments", str(PAYMENTS)),
            *("--transfers", str(TRANSFERS), "--renewals", str(RENEWALS)),
            *("--onboardings", str(ONBOARDINGS), "--bank-syncs", str(BANK_SYNCS)),
            *("--trades", str(ORDERS), "--kills", str(KILLS), "--seed", str(SEED)),
            *("--overlap", "10", "--data-dir", str(tmp_path)),
        ],
        stdout=subprocess.PIPE,
        check=False,
    )
    rounds, summary = _split(done.stdout)
    assert summary["findings"] == []
    assert done.returncode == 0
    asked = {"payments": PAYMENTS, "transfers": TRANSFERS, "renewals": RENEWALS, "trades": ORDERS}
    asked |= {"onboardings": ONBOARDINGS, "bank-syncs": BANK_SYNCS}
    assert [each["operations"] for each in rounds] == [asked] * ROUNDS
    # That much was really made, and so many were really killed.
    assert summary["outcomes"]["succeeded"] > PAYMENTS * ROUNDS / 2
    assert summary["outcomes"]["cancelled"] > 0
    assert summary["outcomes"]["trade succeeded"] > 0
    assert summary["outcomes"]["onboarding succeeded"] > 0
    assert summary["outcomes"]["bank_sync succeeded"] > ROUNDS
    assert summary["refunds"] > ROUNDS
    assert summary["read_only_s"] > 0
    assert summary["kills_in_all"] > KILLS * ROUNDS / 2
    kept = json.loads(Path(summary["report"]).read_text())
    assert [each["seed"] for each in kept["rounds"]] == [each["seed"] for each in rounds]


def _split(written: bytes) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    lines = [json.loads(line) for line in written.splitlines()]
    assert lines, "it ended before its first round was over"
    assert [line["object"] for line in lines] == ["round"] * (len(lines) - 1) + ["summary"]
    return lines[:-1], lines[-1]
