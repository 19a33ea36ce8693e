"""What each act of the demo has at hand: the API, the people, and what was shown so far."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

import httpx

from perdure.bootstrap import Platform
from perdure.cli.api_client import ApiClient
from perdure.cli.machine import Machine, Report
from perdure.fintech import figures
from perdure.fintech.people import Applicant, plan_applicants
from perdure.fintech.statements import Planted
from perdure.ledger.verify import Violation

_AT_ONCE: Final = 16
_POLL_S: Final = 0.2
_TOLD_EVERY_S: Final = 5.0
_PATIENCE_S: Final = 600.0

Given = TypeVar("Given")
Gained = TypeVar("Gained")


@dataclass(slots=True)
class FintechResult:
    """What the demo shows.

    Args:
        differences: What did not come out as it was planned, a sentence each.
        matched: Entries of ours that the reconciliation found at the bank.
        reports: The files.
    """

    customers: int
    transactions: int
    transfers: int
    outcomes: Counter[str] = field(default_factory=Counter)
    onboarded_s: float = 0.0
    synced: figures.Synced = field(default_factory=figures.Synced)
    synced_s: float = 0.0
    sent: Counter[str] = field(default_factory=Counter)
    sent_s: float = 0.0
    planted: Counter[Planted] = field(default_factory=Counter)
    found: Counter[Planted] = field(default_factory=Counter)
    matched: int = 0
    reconciled_s: float = 0.0
    reports: list[Path] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)
    violations: list[Violation] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether all came out as it was planned, and no invariant is broken."""
        return not (self.differences or self.violations)

    def compare(self, what: str, planned: Any, found: Any) -> None:
        """Keep what is to be said where the two differ."""
        self.differences += figures.differences(what, planned, found)


class Scene:
    """The platform as the acts use it.

    Attributes:
        applicants: All who apply.
        customers: Those of them who become customers.
        onboardings, items: The operation, and the bank item, of each by the customer's id.
    """

    def __init__(
        self,
        machine: Machine,
        platform: Platform,
        open_client: Callable[[], ApiClient],
        tell: Report,
        result: FintechResult,
    ) -> None:
        self.machine = machine
        self.platform = platform
        self.pool = platform.pool
        self.tell = tell
        self.result = result
        self.applicants = plan_applicants(result.customers)
        self.customers: list[Applicant] = [one for one in self.applicants if one.is_customer]
        self.onboardings: dict[str, str] = {}
        self.items: dict[str, str] = {}
        self._open_client = open_client

    async def each(
        self, given: Iterable[Given], do: Callable[[ApiClient, Given], Gained]
    ) -> list[Gained]:
        """Have the API do something for each, some at once; returns what came of it, in order."""
        loop, waiting = asyncio.get_running_loop(), iter(enumerate(given))
        gained: dict[int, Gained] = {}
        with ThreadPoolExecutor(_AT_ONCE) as threads:

            async def some() -> None:
                with closing(self._open_client()) as client:
                    for place, one in waiting:
                        gained[place] = await loop.run_in_executor(threads, do, client, one)

            await asyncio.gather(*(some() for _ in range(_AT_ONCE)))
        return [gained[place] for place in range(len(gained))]

    async def ask(self, do: Callable[[ApiClient], Gained]) -> Gained:
        """Have the API do one thing."""
        (gained,) = await self.each([None], lambda client, _: do(client))
        return gained

    async def until_none(self, left: Callable[[], Awaitable[int]], what: str = "") -> None:
        """Wait until there is nothing left, and tell how much is; gives up in the end.

        Args:
            what: Empty: nothing is told.
        """
        began = told_at = time.monotonic()
        while count := await left():
            now = time.monotonic()
            if now - began > _PATIENCE_S:
                return
            if what and now - told_at > _TOLD_EVERY_S:
                told_at = now
                self.tell(f"{count:,} {what}")
            await asyncio.sleep(_POLL_S)

    async def until_ended(self, kind: str, several: str = "") -> None:
        """Wait until everything of a kind has ended, or needs attention.

        Args:
            several: What is told of those that have not; empty: nothing.
        """
        told = several and f"{several} are under way"
        await self.until_none(lambda: figures.under_way(self.pool, kind), told)

    async def control(
        self, role: str, method: str, path: str, body: dict[str, Any] | None = None
    ) -> Any:
        """Have a simulator do, or tell, what its own people can."""
        (url,) = self.machine.urls_of(role)
        async with httpx.AsyncClient(timeout=60, trust_env=False) as client:
            answer = await client.request(method, f"{url}{path}", json=body)
        return answer.raise_for_status().json()

    async def listed(self, role: str, path: str) -> list[dict[str, Any]]:
        """Return all of a simulator's own list."""
        found: list[dict[str, Any]] = []
        has_more = True
        while has_more:
            after = f"&starting_after={found[-1]['id']}" if found else ""
            page = await self.control(role, "GET", f"{path}?limit=1000{after}")
            found, has_more = found + page["data"], page["has_more"]
        return found
