"""`perdure up`: the documentation's commands, kills of a worker and of everything, and the end."""

import json
import os
import re
import signal
import socket
import stat
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from uuid import uuid4

import psutil
import pytest

from perdure.cli.environment import DATA_DIR_DEFAULT, read_environment
from tests.documentation import blocks
from tests.polls import eventually_without_a_loop
from tests.receivers import ArrivedSpan, Receiver, receiving

from .conftest import PERDURE
from .forked_perdure import perdure_in
from .running_up import Up, command

ELSEWHERE = {"make up", "make demo", "make test"}
"""The documentation's commands that are not run with the others: one is what these run on, one is
the suite, and the demo has a test of its own."""
CALLER = "b7ad6b7169203331"
"""The span of whoever asks."""
ALICE = {"name": "Alice", "phone": "+4915112345678"}


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


def way_to(span: ArrivedSpan, trace: dict[str, ArrivedSpan]) -> list[ArrivedSpan]:
    """Return the spans by which a trace came to one, the first of them first."""
    parent = trace.get(span.parent_id)
    return [*(way_to(parent, trace) if parent else []), span]


def processes(span: ArrivedSpan, trace: dict[str, ArrivedSpan]) -> list[str]:
    """Return through which processes a trace came to a span."""
    return [service for service, _ in groupby(one.service for one in way_to(span, trace))]


def traced(
    told: Receiver, trace_id: str, awaited: set[str]
) -> tuple[dict[str, ArrivedSpan], ArrivedSpan]:
    """Wait for a whole trace, which every process sends its own spans of when it likes.

    Args:
        told: Where spans arrive.
        trace_id: Which trace.
        awaited: Which spans it has at least, as "service: name".

    Returns:
        Its spans by their ids, and the first of them.
    """
    trace: dict[str, ArrivedSpan] = {}

    def beginnings() -> list[ArrivedSpan]:
        return [one for one in trace.values() if one.parent_id not in trace]

    def arrived() -> set[str]:
        return {f"{one.service}: {one.name}" for one in trace.values()}

    def is_whole() -> bool:
        nonlocal trace
        trace = told.trace(trace_id)
        return awaited <= arrived() and len(beginnings()) == 1

    eventually_without_a_loop(
        is_whole,
        within_s=60,
        pause_s=0.1,
        why_not=lambda: (awaited - arrived(), [one.name for one in beginnings()]),
    )
    assert len({one.pid for one in trace.values()}) >= 5
    assert not any("Alice" in one.text or "4915112345678" in one.text for one in trace.values())
    (first,) = beginnings()
    assert first.parent_id == CALLER
    return trace, first


def traceparent(trace_id: str) -> dict[str, str]:
    """Return what says that a request is a part of somebody's trace."""
    return {"traceparent": f"00-{trace_id}-{CALLER}-01"}


@pytest.mark.parametrize(
    ("gear", "carried_out"), [("auto", "lane:payment"), ("own_workflow", "RunWorkflow:Payment")]
)
def test_one_trace_leads_from_a_request_through_what_carries_it_out_to_the_callback_t10(
    start: Callable[[], Up], told: Receiver, gear: str, carried_out: str
) -> None:
    up = start()
    trace_id = uuid4().hex
    payment = up.create(headers=traceparent(trace_id), gear=gear, payer=ALICE)
    assert up.end_of(payment["id"]) == "succeeded"
    # A span is sent when it ends, and that of a workflow or a lane after all that it did.
    awaited = {
        "perdure-api: POST /v1/payments",
        f"perdure-worker-operations: {carried_out}",
        "perdure-api: POST /v1/callbacks/gateway",
        "perdure-simulator-sms: POST /v1/messages",
    }
    trace, first = traced(told, trace_id, awaited)
    assert first.name == "POST /v1/payments"
    assert first.facts["perdure.operation_id"] == payment["id"]
    callback = next(one for one in trace.values() if one.name == "POST /v1/callbacks/gateway")
    assert processes(callback, trace) == [
        "perdure-api",
        "perdure-worker-operations",
        "perdure-simulator-gateway",
        "perdure-api",
    ]
    settled = next(one for one in trace.values() if one.facts.get("perdure.status") == "succeeded")
    assert settled.facts["perdure.step"] == "settle"


MOVES_MONEY = "perdure.wallets.v1.Wallets/Transfer"
IN_A_LANE = ["lane:trade", "move_money"]
IN_A_WORKFLOW = [
    "StartWorkflow:Trade",
    "RunWorkflow:Trade",
    "StartActivity:trade.move_money",
    "RunActivity:trade.move_money",
]


@pytest.mark.parametrize(
    ("asset", "carried_out", "at_work"),
    [
        ("GEM", IN_A_LANE, ["operations"]),
        # The asset service's answer is lost, so that it goes on in a workflow.
        ("CUT-GEM", IN_A_WORKFLOW, ["operations", "providers"]),
    ],
)
def test_one_trace_leads_from_an_order_through_its_match_to_both_services_t10(
    start: Callable[[], Up], told: Receiver, asset: str, carried_out: list[str], at_work: list[str]
) -> None:
    up = start()
    listed = {"currency": "USD", "fee_basis_points": 25, "reason": "New."}
    assert up.http.put(f"/v1/instruments/{asset}", json=listed).status_code == 200
    buyer = {name: up.payment[name] for name in ("customer_id", "account_id")}
    seller = {"customer_id": "cus_sal", "account_id": up.open_account("cus_sal")}
    up.order(seller, asset=asset, side="sell")
    trace_id = uuid4().hex
    bought = up.order(buyer, traceparent(trace_id), asset=asset, side="buy", contact=ALICE)
    assert bought["status"] == "filled"
    awaited = {
        "perdure-api: POST /v1/orders",
        f"perdure-worker-operations: {carried_out[0]}",
        f"perdure-worker-{at_work[-1]}: {carried_out[-1]}",
        f"perdure-simulator-wallets: {MOVES_MONEY}",
        "perdure-simulator-sms: POST /v1/messages",
    }
    trace, first = traced(told, trace_id, awaited)
    assert first.name == "POST /v1/orders"
    moved = [
        one
        for one in trace.values()
        if one.name == MOVES_MONEY and one.service == "perdure-simulator-wallets"
    ]
    assert len(moved) == 1
    names = [one.name for one in way_to(moved[0], trace)]
    assert names == ["POST /v1/orders", "match", *carried_out, MOVES_MONEY, MOVES_MONEY]
    assert processes(moved[0], trace) == [
        "perdure-api",
        *(f"perdure-worker-{role}" for role in at_work),
        "perdure-simulator-wallets",
    ]
    assert "perdure-simulator-assets" in {one.service for one in trace.values()}


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
