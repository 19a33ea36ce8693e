"""Processes are measured with their children; one that is gone is left out."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from perdure.soak.probes import read_processes
from perdure.soak.series import OF_PROCESSES, Measure, Series

LOAD_AND_WAIT = "held = bytearray(50_000_000); print('ready', flush=True); input()"
PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {LOAD_AND_WAIT!r}])"


@pytest.fixture
def family() -> Iterator[int]:
    """A process whose child holds 50 MB."""
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdin is not None
        assert parent.stdout.readline() == b"ready\n"
        yield parent.pid
        parent.stdin.write(b"\n")


def test_a_process_is_measured_with_its_children(family: int) -> None:
    values = read_processes({"parent": family})
    measured = {series.measure: value for series, value in values.items()}
    assert set(measured) == OF_PROCESSES
    assert all(series.subject == "parent" for series in values)
    assert measured[Measure.MEMORY] > 45
    assert measured[Measure.RESIDENT] >= measured[Measure.MEMORY]
    assert measured[Measure.THREADS] >= 2
    assert measured[Measure.HANDLES] >= 6


def test_a_process_that_is_gone_is_left_out() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    values = read_processes({"gone": ended.pid, "here": os.getpid()})
    assert {series.subject for series in values} == {"here"}
    assert values[Series(Measure.MEMORY, "here")] > 0
