"""`perdure ledger export`: moves the ledger's balances to TigerBeetle."""

from dataclasses import asdict
from typing import Annotated, Any

import typer

from perdure.cli.output import Output, OutputFormat, out, print_json
from perdure.cli.session import run
from perdure.config import Settings
from perdure.core.errors import InvalidInput
from perdure.core.ledgers import LedgerChoice
from perdure.ledger.choice import check_addresses, with_client
from perdure.storage.pool import open_pool


def export(
    to: Annotated[LedgerChoice, typer.Option(help="Where they go: tigerbeetle.")],
    finish: Annotated[
        bool,
        typer.Option(
            "--finish",
            help="With writers stopped; if all is equal, the balances are there from then on.",
        ),
    ] = False,
    output: Output = OutputFormat.TEXT,
) -> None:
    """Bring accounts, balances and open holds over, and compare; ends with 1 if one differs.

    What is there is not written again: run it while work goes on, and with --finish at the end.
    """
    if to is not LedgerChoice.TIGERBEETLE:
        raise InvalidInput(
            "Balances can be moved to tigerbeetle, not back.", code="invalid_choice", param="to"
        )
    done = run(_export(finish=finish))
    if output == OutputFormat.JSON:
        print_json(asdict(done) | {"equal": not done.differences})
    elif done.is_moved and not done.accounts:
        out.print("The balances are at TigerBeetle already.")
    else:
        _print(done)
    if done.differences:
        raise typer.Exit(1)


def _print(done: Any) -> None:
    out.print(
        f"{done.accounts:,} accounts and {done.holds:,} open holds;"
        f" {done.written:,} entries written to TigerBeetle."
    )
    for line in done.differences[:20]:
        out.print(line)
    if done.differences:
        out.print(
            f"{len(done.differences):,} balances differ: work went on meanwhile. Run it again; with"
            " --finish it stops writers."
        )
    elif done.is_moved:
        out.print("Every balance is equal, and they are at TigerBeetle from now on.")
        out.print("Set PERDURE_LEDGER=tigerbeetle for every process.")
    else:
        out.print("Every balance is equal. Stop the processes, and run it again with --finish.")


async def _export(*, finish: bool) -> Any:
    settings = Settings.load()
    check_addresses(settings.tigerbeetle_addresses)
    async with open_pool(
        settings.require_database_url(), size=3, application_name="perdure-export"
    ) as pool:
        move_to = with_client("tigerbeetle_export").move_to
        return await move_to(
            pool, settings.tigerbeetle_addresses, settings.tigerbeetle_cluster_id, finish=finish
        )
