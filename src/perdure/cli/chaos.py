"""`perdure chaos`: operations while processes are killed and providers fail, and the proof."""

import inspect
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from perdure.chaos.load import Load, loads
from perdure.chaos.plan import OPERATIONS_MAX
from perdure.chaos.rounds import Options, RoundReport
from perdure.chaos.run import ChaosRun, run_chaos
from perdure.chaos.seen import Finding
from perdure.cli.environment import DATA_DIR_DEFAULT
from perdure.cli.output import Output, OutputFormat, err, out, print_error, print_json
from perdure.cli.preload import preload
from perdure.cli.session import run
from perdure.cli.up import say
from perdure.core.errors import InvalidInput

CHAOS_DIR: Final = DATA_DIR_DEFAULT / "chaos"


def chaos(
    *,
    rounds: Annotated[int, typer.Option(min=1, help="How many.")] = 20,
    seed: Annotated[int, typer.Option(min=0, help="The first round's; the others follow.")] = 1,
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
    **operations: int,
) -> None:
    """Make operations of every kind while processes are killed, and check every book.

    Ends with 1 if anything was lost, doubled or left over.
    """
    if not 0 < sum(operations.values()) <= OPERATIONS_MAX:
        raise InvalidInput(
            f"A round makes 1 to {OPERATIONS_MAX} operations, and not {sum(operations.values())}.",
            param=next(iter(operations), None),
        )
    asked = {name.replace("_", "-"): count for name, count in operations.items()}
    options = Options(seed, rounds, asked, kills, overlap, settle_timeout_s)
    as_json = output == OutputFormat.JSON
    preload()
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


def _option(kind: str, load: Load) -> inspect.Parameter:
    """Return the option that says how many of a kind there are."""
    told = typer.Option(
        min=0, max=OPERATIONS_MAX, help=f"How many {load.by or kind} each round makes."
    )
    return inspect.Parameter(
        kind.replace("-", "_"),
        inspect.Parameter.KEYWORD_ONLY,
        default=load.usual,
        annotation=Annotated[int, told],
    )


def _with_kinds(written: inspect.Signature) -> inspect.Signature:
    first, second, *others = list(written.parameters.values())[:-1]
    counts = [_option(kind, load) for kind, load in loads().items()]
    return written.replace(parameters=[first, second, *counts, *others])


# As typer reads them: an option for each kind that declares how it is made.
chaos.__signature__ = _with_kinds(inspect.signature(chaos))  # type: ignore[attr-defined]


def _say_aside(message: str) -> None:
    err.print(message)


def replay(finding: Finding, options: Options) -> str:
    """Return the command that runs a finding's round again."""
    rounds = (options.seed, options.rounds) if finding.seed is None else (finding.seed, 1)
    counts = " ".join(f"--{kind} {count}" for kind, count in options.operations.items())
    return f"perdure chaos --seed {rounds[0]} --rounds {rounds[1]} {counts} --kills {options.kills}"


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
    asked = sum(done.operations.values())
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
    asked = ", ".join(
        f"{count} {loads()[kind].by or kind}" for kind, count in summary["operations"].items()
    )
    out.print()
    for outcome, count in summary["outcomes"].items():
        out.print(f"{count:7} {outcome}")
    out.print(
        f"\n{summary['rounds']} rounds, {asked}, {summary['accepted']} accepted,"
        f" {summary['refunds']} refunded; {summary['kills_in_all']} kills,"
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
