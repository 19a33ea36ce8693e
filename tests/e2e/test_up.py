"""`perdure up`: the documentation's commands, kills of a worker and of everything, and the end."""

import json
import os
import re
import select
import signal
import socket
import stat
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psutil
import pytest

from perdure.cli.environment import DATA_DIR_DEFAULT, read_environment
from tests.documentation import blocks
from tests.polls import eventually_without_a_loop
from tests.receivers import ArrivedSpan, Receiver, receiving

from .conftest import PERDURE
from .forked_perdure import perdure_in

FINISHED = {"succeeded", "failed", "cancelled"}
ELSEWHERE = {"make up", "make demo", "make test"}
"""The documentation's commands that are not run with the others: one is what these run on, one is
the suite, and the demo has a test of its own."""


class Up:
    """A running `perdure up`."""

    def __init__(self, environment: dict[str, str], folder: Path) -> None:
        self.folder = folder
        self.text = ""
        self.process = subprocess.Popen(
            [*PERDURE, "up", "--data-dir", str(folder)],
            env=environment | {"PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def wait_until_it_runs(self) -> None:
        self.read_until("Running;", timeout_s=180)
        self.api_url = self.setting(r"^API +(\S+)")
        self.http = self.connect()

    def connect(self) -> httpx.Client:
        key = (self.folder / "api_key").read_text().strip()
        return httpx.Client(
            base_url=self.api_url,
            headers={"Authorization": f"Bearer {key}"},
            trust_env=False,
            timeout=120,
        )

    def read_until(self, words: str, *, timeout_s: float) -> None:
        assert self.process.stdout is not None
        deadline = time.monotonic() + timeout_s
        while words not in self.text:
            ready, _, _ = select.select([self.process.stdout], [], [], 1)
            if ready:
                part = os.read(self.process.stdout.fileno(), 65_536)
                assert part, f"it ended before {words!r}:\n{self.text}"
                self.text += part.decode()
            assert time.monotonic() < deadline, f"no {words!r} in:\n{self.text}"

    def setting(self, pattern: str) -> str:
        found = re.search(pattern, self.text, re.MULTILINE)
        assert found is not None, self.text
        return found.group(1)

    @property
    def payment(self) -> dict[str, Any]:
        """The body of the command that was printed to be pasted."""
        body: dict[str, Any] = json.loads(self.setting(r"-d '(\{.*\})'"))
        return body

    def pids(self) -> dict[str, int]:
        record = json.loads((self.folder / "processes.json").read_text())
        return {name: pid for name, (pid, _) in record["processes"].items()}

    def create(
        self, *, key: str = "", headers: dict[str, str] | None = None, **changes: Any
    ) -> dict[str, Any]:
        headers = (headers or {}) | ({"Idempotency-Key": key} if key else {})
        answer = self.http.post("/v1/payments", json=self.payment | changes, headers=headers)
        assert answer.status_code == 201, answer.text
        created: dict[str, Any] = answer.json()
        return created

    def wait_for(self, payment_id: str, reached: Callable[[str], bool]) -> str:
        status = ""

        def look() -> bool:
            nonlocal status
            status = self.http.get(f"/v1/payments/{payment_id}").json()["status"]
            return reached(status)

        eventually_without_a_loop(
            look, within_s=120, pause_s=0.1, why_not=lambda: f"{payment_id} is still {status}"
        )
        return status

    def end_of(self, payment_id: str) -> str:
        return self.wait_for(payment_id, FINISHED.__contains__)

    def close(self) -> None:
        if hasattr(self, "http"):
            self.http.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(60)
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where somebody runs `perdure up`; its data folder is the usual one."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def told() -> Iterator[Receiver]:
    """Who is told of traces and errors."""
    with receiving() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def start(environment: dict[str, str], home: Path, told: Receiver) -> Iterator[Callable[[], Up]]:
    """Start `perdure up`, or return the one that runs: starting it is the most of a test."""
    started: list[Up] = []
    settings = {"PERDURE_PAYMENT_CALLBACK_TIMEOUT_S": "10", "PERDURE_JANITOR_STALE_AFTER_S": "10"}
    settings |= told.environment

    def begin() -> Up:
        if not started or started[-1].process.poll() is not None:
            started.append(Up(environment | settings, home / DATA_DIR_DEFAULT))
            started[-1].wait_until_it_runs()
        return started[-1]

    yield begin
    for up in started:
        up.close()


def is_gone(pid: int) -> bool:
    """Whether it does not run; a corpse that nobody fetched yet does not."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def wait_until_gone(pids: list[int]) -> None:
    eventually_without_a_loop(lambda: all(is_gone(pid) for pid in pids), pause_s=0.1)


def command(environment: dict[str, str], folder: Path, *arguments: str) -> dict[str, Any]:
    bare = {name: value for name, value in environment.items() if not name.endswith("_PORT")}
    done = subprocess.run(
        [*PERDURE, "--data-dir", str(folder), *arguments, "-o", "json"],
        env=bare,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def script(up: Up) -> str:
    """Return the documentation's commands, on the ports of what runs."""
    settings = read_environment(up.folder / "environment")
    usual = {
        8080: up.api_url,
        8101: settings["PERDURE_GATEWAY_URL"],
        8105: settings["PERDURE_BANK_URL"],
        8106: json.loads(settings["PERDURE_REGISTRY_URLS"])["info"],
    }
    parts = ["set -euo pipefail"]
    for block in blocks("sh"):
        lines = block.text.splitlines()
        parts.append(f"echo '== {block.name}' >&2")
        parts += [line for line in lines if line.partition("#")[0].strip() not in ELSEWHERE]
    return re.sub(
        r"http://127\.0\.0\.1:(\d+)", lambda match: usual[int(match[1])], "\n".join(parts)
    )


@pytest.mark.timeout(600)
def test_every_command_of_the_documentation_can_be_pasted_f27(
    start: Callable[[], Up], environment: dict[str, str], home: Path
) -> None:
    up = start()
    commands = "\n".join(block.text for block in blocks("sh"))
    assert all(re.search(f"^{line}\\b", commands, re.MULTILINE) for line in ELSEWHERE)
    activate = home / ".venv" / "bin" / "activate"
    with perdure_in(activate.parent):
        activate.write_text(f"PATH={activate.parent}:$PATH")
        done = subprocess.run(
            ["bash"],
            input=script(up),
            cwd=home,
            env={name: value for name, value in environment.items() if not name.endswith("_PORT")}
            | {"no_proxy": "127.0.0.1"},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    for shown in ("refunded by", '"action":"settled"', "bulk_preview", "payments.outcomes.csv"):
        assert shown in done.stdout

    def open_ones() -> list[str]:
        found = up.http.get("/v1/operations", params={"limit": 100}).json()["data"]
        assert len(found) > 10
        return [one["id"] for one in found if one["status"] != "succeeded"]

    eventually_without_a_loop(lambda: not open_ones(), pause_s=0.1, why_not=open_ones)


@pytest.mark.timeout(600)
def test_payments_survive_kills_of_a_worker_and_of_everything(
    start: Callable[[], Up], environment: dict[str, str], home: Path
) -> None:
    folder = home / DATA_DIR_DEFAULT
    up = start()
    first = up.create(key="one")
    assert up.create(key="one")["id"] == first["id"]
    assert up.end_of(first["id"]) == "succeeded"

    # Root lets PostgreSQL's own user pass through the folder, by its group.
    passes = 0o010 if os.geteuid() == 0 else 0
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700 | passes
    assert [path for path in folder.rglob("*") if path.stat().st_mode & 0o077] == []

    waits = up.create(payment_method="tok_never_confirmed")["id"]
    up.wait_for(waits, "waiting".__eq__)
    answer = up.http.post(f"/v1/payments/{waits}/cancel", json={"reason": "changed my mind"})
    assert answer.status_code == 200, answer.text
    assert up.end_of(waits) == "cancelled"

    api = up.pids()["api"]
    os.kill(api, signal.SIGKILL)
    eventually_without_a_loop(lambda: is_gone(api))
    up.http.close()
    up.http = up.connect()
    assert up.end_of(up.create()["id"]) == "succeeded", "who connects while it is away waits"

    under_way = [up.create()["id"] for _ in range(5)]
    os.kill(up.pids()["worker-operations-1"], signal.SIGKILL)
    up.read_until("worker-operations-1 was killed (signal 9); restarted", timeout_s=60)
    assert {up.end_of(payment) for payment in under_way} == {"succeeded"}

    under_way = [up.create()["id"] for _ in range(5)]
    pids = [up.process.pid, *up.pids().values()]
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    up.process.wait(60)
    wait_until_gone(pids)

    up = start()
    assert {up.end_of(payment) for payment in under_way} == {"succeeded"}
    listed = command(environment, folder, "payments", "list")["data"]
    assert [payment["id"] for payment in listed[:5]] == under_way[::-1]
    gateway_url = next(
        line.partition("=")[2]
        for line in (folder / "environment").read_text().splitlines()
        if line.startswith("PERDURE_GATEWAY_URL=")
    )
    assert command(environment, folder, "verify", "--gateway", gateway_url)["ok"]
    assert command(environment, folder, "doctor")["ok"]

    pids = list(up.pids().values())
    up.process.send_signal(signal.SIGTERM)
    assert up.process.wait(60) == 0
    wait_until_gone(pids)


def processes(span: ArrivedSpan, trace: dict[str, ArrivedSpan]) -> list[str]:
    """Return through which processes a trace came to a span."""
    parent = trace.get(span.parent_id)
    before = processes(parent, trace) if parent else []
    return before if before[-1:] == [span.service] else [*before, span.service]


@pytest.mark.parametrize(
    ("gear", "carried_out"), [("auto", "lane:payment"), ("own_workflow", "RunWorkflow:Payment")]
)
def test_one_trace_leads_from_a_request_through_what_carries_it_out_to_the_callback_t10(
    start: Callable[[], Up], told: Receiver, gear: str, carried_out: str
) -> None:
    up = start()
    caller, trace_id = "b7ad6b7169203331", uuid4().hex
    phone = {"name": "Alice", "phone": "+4915112345678"}
    payment = up.create(
        headers={"traceparent": f"00-{trace_id}-{caller}-01"}, gear=gear, payer=phone
    )
    assert up.end_of(payment["id"]) == "succeeded"
    trace: dict[str, ArrivedSpan] = {}
    # A span is sent when it ends, and that of a workflow or a lane after all that it did.
    awaited = {"POST /v1/payments", carried_out, "POST /v1/callbacks/gateway", "POST /v1/messages"}

    def has_arrived() -> bool:
        nonlocal trace
        trace = told.trace(trace_id)
        return awaited <= {one.name for one in trace.values()}

    eventually_without_a_loop(
        has_arrived, within_s=60, pause_s=0.1, why_not=lambda: {one.name for one in trace.values()}
    )
    (first,) = [one for one in trace.values() if one.parent_id not in trace]
    assert (first.name, first.parent_id) == ("POST /v1/payments", caller)
    assert first.facts["perdure.operation_id"] == payment["id"]
    assert len({one.pid for one in trace.values()}) >= 5
    callback = next(one for one in trace.values() if one.name == "POST /v1/callbacks/gateway")
    assert processes(callback, trace) == [
        "perdure-api",
        "perdure-worker-operations",
        "perdure-simulator-gateway",
        "perdure-api",
    ]
    settled = next(one for one in trace.values() if one.facts.get("perdure.status") == "succeeded")
    assert settled.facts["perdure.step"] == "settle"
    assert not any("Alice" in one.text or "4915112345678" in one.text for one in trace.values())


@pytest.mark.timeout(600)
def test_each_that_breaks_down_is_told_of_once_though_workers_are_killed_t10(
    start: Callable[[], Up], told: Receiver
) -> None:
    up = start()
    method = {"payment_method": "tok_other_amount"}
    items = [up.payment | method | {"reference": f"broken-{n}"} for n in range(40)]
    answer = up.http.post("/v1/payments/batch", json={"items": items})
    assert answer.status_code == 200, answer.text
    broken = {item["id"] for item in answer.json()["data"]}
    assert len(broken) == 40
    fine = [up.create()["id"] for _ in range(3)]
    workers = [name for name in up.pids() if name.startswith("worker-operations")]
    for name in workers:
        os.kill(up.pids()[name], signal.SIGKILL)

    def told_of() -> Counter[str]:
        ids = {one["event_id"]: one["tags"]["id"] for one in [*told.events]}
        return Counter(ids.values())

    eventually_without_a_loop(
        lambda: broken <= set(told_of()), within_s=120, why_not=lambda: len(told_of())
    )
    assert {told_of()[one] for one in broken} == {1}
    assert {up.end_of(one) for one in fine} == {"succeeded"}
    assert set(fine).isdisjoint(told_of())


def test_all_ports_that_are_taken_are_named_at_once_and_nothing_is_started(
    environment: dict[str, str], folder: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        both = {"PERDURE_TEMPORAL_PORT": port, "PERDURE_BANK_PORT": port}
        done = subprocess.run(
            [*PERDURE, "up", "--data-dir", str(folder)],
            env=environment | both,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 1
    for setting in both:
        assert f"{port} of 127.0.0.1 ({setting}): taken by another program" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (folder / "logs").exists()
