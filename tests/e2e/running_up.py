"""A `perdure up` of one's own, and commands beside it."""

import json
import os
import re
import select
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from tests.polls import eventually_without_a_loop

from .conftest import PERDURE

FINISHED = {"succeeded", "failed", "cancelled"}


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

    def open_account(self, customer_id: str) -> str:
        body = {"customer_id": customer_id, "currency": "USD", "name": "Wallet"}
        key = {"Idempotency-Key": uuid4().hex}
        answer = self.http.post("/v1/accounts", json=body, headers=key)
        assert answer.status_code == 201, answer.text
        account_id: str = answer.json()["id"]
        return account_id

    def order(
        self, whose: dict[str, str], headers: dict[str, str] | None = None, **terms: Any
    ) -> dict[str, Any]:
        """Place an order for two lots, each for a dollar."""
        body = {"price_minor": 100, "quantity_lots": 2, "reference": uuid4().hex}
        answer = self.http.post("/v1/orders", json=body | whose | terms, headers=headers)
        placed: dict[str, Any] = answer.json()

        def is_in() -> bool:
            nonlocal placed
            placed = self.http.get(f"/v1/orders/{placed['id']}").json()
            return placed["status"] not in {"reserving", "entering"}

        if answer.status_code == 202:  # whoever writes its book was killed
            eventually_without_a_loop(is_in, within_s=120, pause_s=0.2, why_not=lambda: placed)
        if "asset_not_reserved" in str(placed):  # and so was who set it aside: it is refused
            return self.order(whose, headers, **terms)
        assert answer.status_code in {201, 202}, placed
        return placed

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
