"""`perdure chaos`: operations while processes are killed and providers fail, and the proof."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from perdure.chaos.check import Finding
from perdure.chaos.plan import OPERATIONS_MAX
from perdure.chaos.rounds import Options, RoundReport
from perdure.chaos.run import ChaosRun, run_chaos
from perdure.cli.environment import DATA_DIR_DEFAULT
from perdure.cli.output import Output, OutputFormat, err, out, print_error, print_json
from perdure.cli.session import run
from perdure.cli.up import say

CHAOS_DIR: Final = DATA_DIR_DEFAULT / "chaos"


def chaos(
    *,
    rounds: Annotated[int, typer.Option(min=1, help="How many.")] = 20,
    seed: Annotated[int, typer.Option(min=0, help="The first round's; the others follow.")] = 1,
    payments: Annotated[
        int, typer.Option(min=1, max=OPERATIONS_MAX, help="How many each round makes.")
    ] = 200,
    transfers: Annotated[
        int, typer.Option(min=0, max=OPERATIONS_MAX, help="How many beside the payments.")
    ] = 20,
    renewals: Annotated[
        int, typer.Option(min=0, max=OPERATIONS_MAX, help="How many beside these.")
    ] = 10,
    kills: Annotated[int, typer.Option(min=0, help="How many processes each round kills.")] = 5,
    overlap: Annotated[
        int, typer.Option(min=1, help="How many rounds may be unsettled at a time.")
    ] = 4,
    settle_timeout_s: Annotated[
        float, typer.Option(min=1, help="How long after its last kill a round may take to end.")
    ] = 240.0,
    data_dir: Annotated[
        Path, typer.Option(help="Keeps the reports, and the platforms that failed.")
    ] = CHAOS_DIR,
    output: Output = OutputFormat.TEXT,
) -> None:
    """Make payments, transfers and renewals while processes are killed, and check every book.

    Ends with 1 if anything was lost, doubled or left over.
    """
    options = Options(seed, rounds, payments, kills, overlap, settle_timeout_s, transfers, renewals)
    as_json = output == OutputFormat.JSON
    result = run(
        run_chaos(
            data_dir,
            options,
            say=_say_aside if as_json else say,
            tell=(lambda done: print_json(_round_json(done, options))) if as_json else _print_round,
        )
    )
    if result is None:
        raise typer.Exit(130)
    if as_json:
        print_json(_summary_json(result, options))
    else:
        _print_summary(result, options)
    if result.report.findings:
        raise typer.Exit(1)


def _say_aside(message: str) -> None:
    err.print(message)


def replay(finding: Finding, options: Options) -> str:
    """Return the command that runs a finding's round again."""
    rounds = (options.seed, options.rounds) if finding.seed is None else (finding.seed, 1)
    return (
        f"perdure chaos --seed {rounds[0]} --rounds {rounds[1]} --payments {options.payments}"
        f" --transfers {options.transfers} --renewals {options.renewals} --kills {options.kills}"
    )


def _finding_json(finding: Finding, options: Options) -> dict[str, Any]:
    return {**asdict(finding), "replay": replay(finding, options)}


def _round_json(done: RoundReport, options: Options) -> dict[str, Any]:
    found = [_finding_json(finding, options) for finding in done.findings]
    return {"object": "round", **asdict(done), "findings": found}


def _summary_json(result: ChaosRun, options: Options) -> dict[str, Any]:
    report = result.report
    return {
        "object": "summary",
        "ok": not report.findings,
        **report.summary(),
        "findings": [_finding_json(finding, options) for finding in report.findings],
        "report": str(result.report_path),
    }


def _print_round(done: RoundReport) -> None:
    killed = ", ".join(
        name if times == 1 else f"{name} ({times}x)" for name, times in done.kills.items()
    )
    asked = done.payments + done.transfers + done.renewals
    if done.read_only_s:
        killed = f"{killed or 'nobody'}, writes for {done.read_only_s:g} s"
    said = f"{len(done.findings)} FINDINGS" if done.findings else "all well"
    out.print(
        f"seed {done.seed}: {done.accepted} of {asked} accepted, {done.refunds} refunded,"
        f" storm {done.storm_s} s, settled in {done.settle_s} s; killed: {killed or 'nobody'};"
        f" {said}",
    )


def _print_summary(result: ChaosRun, options: Options) -> None:
    summary = result.report.summary()
    out.print()
    for outcome, count in summary["outcomes"].items():
        out.print(f"{count:7} {outcome}")
    out.print(
        f"\n{summary['rounds']} rounds, {summary['payments']} payments,"
        f" {summary['transfers']} transfers, {summary['renewals']} renewals, {summary['accepted']}"
        f" accepted, {summary['refunds']} refunded; {summary['kills_in_all']} kills,"
        f" {summary['read_only_s']} s without writes, {summary['retries']} requests sent again;"
        f" {summary['seconds']} s.\n"
        f"Report: {result.report_path}",
    )
    for finding in result.report.findings:
        round_ = f"seed {finding.seed}, " if finding.seed is not None else ""
        print_error(
            f"{finding.name}: {round_}{finding.subject}"
            f"{f' ({finding.operation_id})' if finding.operation_id else ''}: {finding.detail}\n"
            f"       {replay(finding, options)}"
        )
    if result.report.findings:
        print_error(f"{summary['findings']} findings; the platform is kept in {result.folder}.")
