"""How much processor time processes have used, with their children."""

import os
from collections.abc import Mapping

import psutil


def used_s(processes: Mapping[str, int]) -> dict[str, float]:
    """Return user and system time of each process and all below it, in seconds, and `client`'s.

    Children that ended are in their parent's count. The client is this process by itself, as what
    it started is counted under its own name.
    """
    own = os.times()
    return {"client": own.user + own.system} | {
        name: _tree_s(pid) for name, pid in processes.items()
    }


def _tree_s(pid: int) -> float:
    root = psutil.Process(pid)
    total_s = 0.0
    for process in [root, *root.children(recursive=True)]:
        try:
            total_s += sum(process.cpu_times()[:4])
        except psutil.NoSuchProcess:
            continue
    return total_s


def by_purpose(numbers: Mapping[str, float]) -> dict[str, float]:
    """Add up what is for the same purpose: `worker-1` and `worker-2` are both `worker`."""
    together: dict[str, float] = {}
    for name, number in numbers.items():
        purpose = name.partition("-")[0]
        together[purpose] = together.get(purpose, 0.0) + number
    return together
