"""The benchmark as `make bench-quick` runs it, small, with the peers that need no installation."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
PEERS = ("perdure", "perdure-lanes", "floor", "trades-celery")


@pytest.mark.timeout(300)
def test_peers_are_measured_and_their_effects_checked(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "bench", "quick", "trades", "--table-only", "--rounds", "1"),
            *("--sagas", "20", "--concurrency", "20", "--peers", ",".join(PEERS)),
        ],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    # A peer whose sagas do not add up ends the run with 1.
    assert done.returncode == 0, done.stdout
    measured = [line for line in done.stdout.splitlines() if "CPU ms each" in line]
    assert [line.split(":")[0].strip() for line in measured] == list(PEERS)
