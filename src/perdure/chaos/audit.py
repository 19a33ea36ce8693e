"""Looks at what was left, and compares everybody's books."""

from collections.abc import Coroutine, Sequence
from dataclasses import asdict, replace
from typing import Any

from perdure.bootstrap import Platform
from perdure.capability import books as verify
from perdure.capability.books import Providers
from perdure.chaos import books
from perdure.chaos.books import OutsideBooks, OwnBooks
from perdure.chaos.check import books_differ, findings, outcomes
from perdure.chaos.load import Outcome, parts
from perdure.chaos.seen import Finding, Storm
from perdure.cli.machine import Machine
from perdure.core.errors import ProviderUnavailable
from perdure.ledger.verify import Violation
from perdure.storage.outages import wait_out


class Audit:
    """Looks at the books of a platform, and of the outside systems it talks to."""

    def __init__(self, platform: Platform, machine: Machine) -> None:
        self._platform = platform
        self._machine = machine

    async def of_one(self, storm: Storm) -> tuple[OwnBooks, Outcome]:
        """Return what a storm left, and what came of it; others may still be under way.

        Raises:
            ProviderUnavailable: Somebody's books are not to be read.
        """
        own, came = await self._look_at(storm, await books.read_outside_books(self._machine))
        came.findings += await self._broken_invariants()
        return own, came

    async def of_all(self, storms: Sequence[Storm]) -> tuple[list[OwnBooks], list[Finding]]:
        """Return what all storms left, and what is wrong, once nothing is under way.

        Raises:
            ProviderUnavailable: Somebody's books are not to be read.
        """
        outside = await books.read_outside_books(self._machine)
        left: list[OwnBooks] = []
        found: list[Finding] = []
        for storm in storms:
            own, came = await self._look_at(storm, outside)
            left.append(own)
            found += came.findings
        found += await self._broken_invariants(self._machine.books)
        owed_minor = await books.read_owed_minor(self._platform)
        return left, found + books_differ(owed_minor, outside)

    async def _look_at(self, storm: Storm, outside: OutsideBooks) -> tuple[OwnBooks, Outcome]:
        plan = storm.plan
        own = await books.read_own_books(self._platform, plan.customer_id, storm.wallets)
        each = tuple(one for one in plan.operations if not one.by)
        came = Outcome(
            len(own.operations),
            outcomes(own.operations),
            findings(replace(plan, operations=each), storm.seen, own, outside),
        )
        for load, part in parts(storm, self._machine, self._platform):
            if load.look:
                more = await load.look(part, outside.messages)
                came.accepted += more.accepted
                came.counts += more.counts
                came.findings += more.findings
        return own, came

    async def _broken_invariants(self, compared: Providers | None = None) -> list[Finding]:
        def look() -> Coroutine[Any, Any, list[Violation]]:
            return verify.violations(
                self._platform.pool, compared or {}, balances=self._platform.balances
            )

        return [
            Finding(broken.name, None, " ".join(broken.subject_ids), None, broken.detail)
            for broken in await wait_out(look)
        ]


def gave_up(error: Exception) -> Finding:
    """Return the finding that something stays away; any other error is a defect here, and raised.

    Raises:
        Exception: The error, or what is in its group.
    """
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]  # the first one ended the others
    if not isinstance(error, ProviderUnavailable):
        raise error
    return Finding("did_not_come_back", None, error.code, None, error.message)


async def evidence(platform: Platform, findings: Sequence[Finding]) -> dict[str, Any]:
    """Return the trail and the attempts of each operation something was found about."""
    found = {finding.operation_id for finding in findings if finding.operation_id}
    try:
        return await wait_out(lambda: _trails(platform, found))
    except ProviderUnavailable:
        return {}  # the database is what did not come back; the report is kept all the same


async def _trails(platform: Platform, found: set[str]) -> dict[str, Any]:
    return {
        operation_id: {
            "trail": [asdict(entry) for entry in await platform.operations.trail(operation_id)],
            "steps": [
                asdict(step) for step in await platform.operations.step_attempts(operation_id)
            ],
        }
        for operation_id in sorted(found)
    }
