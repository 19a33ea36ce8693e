"""`perdure demo fintech`: customers from their first application to a night's reconciliation.

People are onboarded, their banks linked and read, they send one another money, and one is erased.
Then the bank's statements come, with something of every kind wrong in them: all of it has to be
found, and nothing else.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Final

import typer

from perdure.bootstrap import Platform
from perdure.capability.books import invariants, violations
from perdure.cli import verify
from perdure.cli.demo_stage import DEMO_DIR, DataDir, api_client_of, run_story
from perdure.cli.machine import NO_OPTIONS, Machine, Report
from perdure.cli.output import Output, OutputFormat, out, print_error, print_table
from perdure.cli.ports import PortBase
from perdure.fintech import customers, money, night
from perdure.fintech.figures import by_class
from perdure.fintech.people import Outcome
from perdure.fintech.scene import FintechResult, Scene

_SETTINGS: Final = {
    "PERDURE_RECONCILIATION_MAIL_TO": night.COMPLIANCE,
    "PERDURE_RECONCILIATION_BOOKS": '["bank"]',
    # What takes half a minute, a minute or a day takes seconds here.
    "PERDURE_ONBOARDING_INQUIRY_S": "2",
    "PERDURE_ONBOARDING_FOLLOW_UP_S": "5",
    "PERDURE_PAYLOAD_KEY_CACHE_S": "2",
}
_BOOKS: Final = "bank"


@dataclass(frozen=True, slots=True)
class FintechStory:
    """Customers, what they do, and what is wrong at the bank.

    Args:
        customers: How many there are.
        transactions: How many they have at other banks.
        transfers: How many they send one another.
    """

    customers: int
    transactions: int
    transfers: int
    settings = _SETTINGS
    options = NO_OPTIONS
    legacy = False

    async def show(self, machine: Machine, platform: Platform, tell: Report) -> FintechResult:
        """Have it all happen, and be found as it was planned."""
        result = FintechResult(self.customers, self.transactions, self.transfers)
        scene = Scene(machine, platform, await api_client_of(machine, platform), tell, result)
        await customers.onboard(scene)
        await customers.sync(scene)
        wallets = await money.find_wallets(scene)
        paid_in = await money.exchange(scene, wallets)
        await customers.erase(scene, scene.customers[-1], wallets)
        await night.reconcile(scene, paid_in)
        result.violations = await violations(
            platform.pool, {_BOOKS: machine.books[_BOOKS]}, balances=platform.balances
        )
        return result

    def as_json(self, result: FintechResult, seconds: float) -> dict[str, Any]:
        """Return what it showed, for a program."""
        return {
            "applications": dict(sorted(result.outcomes.items())),
            "onboarded_s": round(result.onboarded_s, 1),
            "transactions": result.synced.transactions,
            "flagged": result.synced.flagged,
            "synced_s": round(result.synced_s, 1),
            "transfers": dict(sorted(result.sent.items())),
            "sent_s": round(result.sent_s, 1),
            "matched": result.matched,
            "planted": by_class(result.planted),
            "found": by_class(result.found),
            "reconciled_s": round(result.reconciled_s, 1),
            "reports": [str(path) for path in result.reports],
            "differences": result.differences,
            "verify": verify.as_json(result.violations, invariants([_BOOKS])),
            "seconds": seconds,
        }

    def print(self, result: FintechResult, seconds: float) -> None:
        """Print what it showed."""
        out.print()
        print_table(("APPLICATIONS", "#COUNT"), [(one, result.outcomes[one]) for one in Outcome])
        out.print()
        print_table(("TRANSFERS", "#COUNT"), sorted(result.sent.items()))
        out.print()
        found = by_class(result.found)
        print_table(
            ("BREAKS", "#PLANTED", "#FOUND"),
            [(name, count, found[name]) for name, count in by_class(result.planted).items()],
        )
        out.print(
            f"\n{result.synced.transactions:,} transactions of other banks read in"
            f" {result.synced_s:.1f} s, {result.synced.flagged:,} of them flagged;"
            f" {seconds} s in all.\n"
        )
        for path in result.reports:
            out.print(f"Report: {path}")
        out.print(f"It went to {night.COMPLIANCE} by mail too.\n")
        verify.print_violations(result.violations, invariants([_BOOKS]))
        for line in result.differences:
            print_error(line)


def fintech(
    customers: Annotated[
        int, typer.Option(min=5, max=5_000, help="How many become customers.")
    ] = 100,
    transactions: Annotated[
        int, typer.Option(min=0, max=1_000_000, help="How many they have at other banks.")
    ] = 50_000,
    transfers: Annotated[
        int, typer.Option(min=20, max=100_000, help="How many they send one another.")
    ] = 300,
    *,
    data_dir: DataDir = DEMO_DIR,
    port_base: PortBase = None,
    output: Output = OutputFormat.TEXT,
) -> None:
    """Onboard customers, read their banks, move money, erase one, and find all that is wrong."""
    story = FintechStory(customers, transactions, transfers)
    run_story(story, data_dir, output, port_base)
