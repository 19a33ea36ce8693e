"""The whole platform under a steady load, with faults: it is measured, judged, and its books read.

That growth and wrong books are seen is for the unit tests; here nothing is asserted of what a
few seconds on a busy machine look like. `perdure soak --minutes 10` is the real thing.
"""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

from perdure.soak.verdict import WRONG, Verdict

PROCESSES = ("postgres", "temporal", "api", "gateway", "mail", "worker-lanes", "worker-providers")


@pytest.mark.timeout(300)
def test_a_soak_measures_judges_and_finds_every_book_right(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "perdure.cli.main", "soak", "--output", "json"),
            *("--minutes", "0.15", "--sample-every-s", "1", "--capacity-s", "3", "--load", "0.1"),
            *("--data-dir", str(tmp_path)),
        ],
        stdout=subprocess.PIPE,
        check=False,
    )
    result = json.loads(done.stdout)
    assert result["findings"] == []
    assert result["capacity_per_s"] > 0
    assert result["offered_per_s"] == pytest.approx(result["capacity_per_s"] * 0.1)
    assert result["outcomes"]["succeeded"] > result["accepted"] / 2 > 0
    assert 0 < result["sent"] < result["offered_per_s"] * 9 + 1

    verdicts = {series["name"]: Verdict(series["verdict"]) for series in result["series"]}
    for measure in ("memory_mib", "handles", "threads"):
        assert {f"{measure}.{process}" for process in PROCESSES} <= set(verdicts)
    assert {
        "connections.database",
        *(f"age_s.{queue}" for queue in ("operations", "messages", "callbacks", "requests")),
        "age_s.tasks in operations",
    } <= set(verdicts)
    # Every series was there until the end, and the exit tells whether one grew.
    assert Verdict.MISSING not in verdicts.values()
    assert done.returncode == bool(WRONG & set(verdicts.values()))

    with Path(result["samples"]).open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) > 4
    assert all(float(row["memory_mib.postgres"]) > 1 for row in rows)
    assert all(float(row["connections.database"]) > 1 for row in rows)
    assert json.loads(Path(result["report"]).read_text())["sent"] == result["sent"]
