"""Looks at what was left, and compares everybody's books."""

from collections.abc import Coroutine, Sequence
from dataclasses import asdict
from typing import Any

from perdure.bootstrap import Platform
from perdure.capability import books as verify
from perdure.capability.books import Providers
from perdure.chaos import books
from perdure.chaos.books import OutsideBooks, OwnBooks
from perdure.chaos.check import Finding, books_differ, findings
from perdure.chaos.storm import Storm
from perdure.cli.machine import Machine
from perdure.core.errors import ProviderUnavailable
from perdure.ledger.verify import Violation
from perdure.storage.outages import wait_out


class Audit:
    """Looks at the books of a platform, and of the outside systems it talks to."""

    def __init__(self, platform: Platform, machine: Machine) -> None:
        self._platform = platform
        self._machine = machine

    async def of_one(self, storm: Storm) -> tuple[OwnBooks, list[Finding]]:
        """Return what a storm left, and what is wrong; others may still be under way.

        Raises:
            ProviderUnavailable: Somebody's books are not to be read.
        """
        own, found = await self._look_at(storm, await books.read_outside_books(self._machine))
        return own, found + await self._broken_invariants()

    async def of_all(self, storms: Sequence[Storm]) -> tuple[list[OwnBooks], list[Finding]]:
        """Return what all storms left, and what is wrong, once nothing is under way.

        Raises:
            ProviderUnavailable: Somebody's books are not to be read.
        """
        outside = await books.read_outside_books(self._machine)
        left: list[OwnBooks] = []
        found: list[Finding] = []
        for storm in storms:
            own, wrong = await self._look_at(storm, outside)
            left.append(own)
            found += wrong
        found += await self._broken_invariants(self._machine.books)
        owed_minor = await books.read_owed_minor(self._platform)
        return left, found + books_differ(owed_minor, outside)

    async def _look_at(self, storm: Storm, outside: OutsideBooks) -> tuple[OwnBooks, list[Finding]]:
        own = await books.read_own_books(self._platform, storm.plan.customer_id, storm.wallets)
        return own, findings(storm.plan, storm.seen, own, outside)

    async def _broken_invariants(self, compared: Providers | None = None) -> list[Finding]:
        def look() -> Coroutine[Any, Any, list[Violation]]:
            return verify.violations(self._platform.pool, compared or {})

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
