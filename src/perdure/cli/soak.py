"""`perdure soak`: a steady load for long, and the proof that nothing grows."""

from pathlib import Path
from typing import Annotated, Final

import typer

from perdure.chaos.load import loads
from perdure.cli.environment import DATA_DIR_DEFAULT
from perdure.cli.output import (
    Output,
    OutputFormat,
    err,
    out,
    print_error,
    print_json,
    print_table,
)
from perdure.cli.preload import preload
from perdure.cli.session import run
from perdure.cli.up import say
from perdure.core.errors import InvalidInput
from perdure.soak.report import Options, as_json
from perdure.soak.run import SoakRun, run_soak
from perdure.soak.verdict import Judgement

SOAK_DIR: Final = DATA_DIR_DEFAULT / "soak"


def soak(
    *,
    minutes: Annotated[float, typer.Option(min=0.1, help="How long the load is offered.")] = 10.0,
    load: Annotated[
        float, typer.Option(min=0.01, max=2.0, help="How much of the capacity is offered.")
    ] = 0.8,
    kills: Annotated[bool, typer.Option("--kills", help="Also kill processes at random.")] = False,
    kill_every_s: Annotated[
        float, typer.Option(min=1, help="With --kills: one every so many seconds.")
    ] = 20.0,
    kind: Annotated[
        str, typer.Option(help="What is made, by its plural; by default of the first kind.")
    ] = "",
    seed: Annotated[int, typer.Option(min=0, help="Decides what is asked for and killed.")] = 1,
    capacity_s: Annotated[
        float, typer.Option(min=1, help="How long the capacity is measured first.")
    ] = 25.0,
    sample_every_s: Annotated[
        float, typer.Option(min=0.1, help="How often everything is measured.")
    ] = 5.0,
    settle_timeout_s: Annotated[
        float, typer.Option(min=1, help="How long it may take until all is quiet at the end.")
    ] = 240.0,
    data_dir: Annotated[
        Path, typer.Option(help="Keeps the reports, and the platforms that failed.")
    ] = SOAK_DIR,
    output: Output = OutputFormat.TEXT,
) -> None:
    """Offer a steady load while providers fail, and check that nothing grows or gets lost.

    Ends with 1 if memory, handles, connections or a queue grew, or if a book is wrong.
    """
    # What people have to look after goes on by nobody's hand here.
    known = [name for name, load in loads().items() if not load.by]
    if kind and kind not in known:
        raise InvalidInput(f"There is a load of {', '.join(known)}; not of {kind}.", param="kind")
    options = Options(
        kind=kind or known[0],
        steady_s=minutes * 60,
        load=load,
        kill_every_s=kill_every_s if kills else None,
        seed=seed,
        capacity_s=capacity_s,
        sample_every_s=sample_every_s,
        settle_timeout_s=settle_timeout_s,
    )
    to_json = output == OutputFormat.JSON
    preload()
    result = run(run_soak(data_dir, options, say=_say_aside if to_json else say))
    if result is None:
        raise typer.Exit(130)
    if to_json:
        paths = {"samples": str(result.samples_path), "report": str(result.report_path)}
        print_json({"object": "soak", **as_json(result.report), **paths})
    else:
        print_soak(result)
    if not result.report.ok:
        raise typer.Exit(1)


def _say_aside(message: str) -> None:
    err.print(message)


def print_soak(result: SoakRun) -> None:
    """Print a soak for people: a table, the sums, and what is wrong."""
    report = result.report
    out.print()
    print_table(
        ["series", "#start", "#middle", "#end", "#at most", "verdict"],
        [_line(judgement) for judgement in report.judgements],
    )
    out.print()
    for outcome, count in report.outcomes.items():
        out.print(f"{count:7} {outcome}")
    killed = ", ".join(f"{name} ({times}x)" for name, times in report.kills.items())
    settled = "-" if report.settle_s is None else f"{report.settle_s} s"
    out.print(
        f"\n{report.sent} operations at {_number(report.offered_per_s)} a second of"
        f" {_number(report.capacity_per_s)} possible; {report.accepted} operations in all;"
        f" {report.retries} requests sent again; killed: {killed or 'nobody'};"
        f" quiet after {settled}.\n"
        f"Samples: {result.samples_path}\nReport:  {result.report_path}",
    )
    for judgement in report.grown:
        print_error(" ".join(_line(judgement)))
    for finding in report.findings:
        about = f" ({finding.operation_id})" if finding.operation_id else ""
        print_error(f"{finding.name}: {finding.subject}{about}: {finding.detail}")
    if not report.ok:
        print_error(
            f"{len(report.grown)} series grew, {len(report.findings)} findings;"
            f" the platform is kept in {result.folder}."
        )


def _line(judgement: Judgement) -> list[str]:
    numbers = (judgement.start, judgement.middle, judgement.end, judgement.most)
    series = judgement.series
    return [
        f"{series.subject} {series.measure}",
        *(_number(number) for number in numbers),
        judgement.verdict,
    ]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}".removesuffix(".0")
