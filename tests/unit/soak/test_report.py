"""A soak is only good where everything stayed flat and every book is right."""

import json
from pathlib import Path
from typing import Any

import pytest

from perdure.chaos.seen import Finding
from perdure.cli.soak import print_soak
from perdure.core.errors import ConfigurationError
from perdure.soak.report import Options, Report, as_json, deaths
from perdure.soak.run import SoakRun
from perdure.soak.series import Measure, Series
from perdure.soak.verdict import Judgement, Verdict

LOST = Finding("lost", 7, "chaos-7-1", "pay_1", "accepted, and there is no such operation")


def judged(verdict: Verdict) -> Judgement:
    return Judgement(Series(Measure.AGE, "messages"), 0.5, 1.25, 99.0, 11.25, verdict)


def options(**more: Any) -> Options:
    return Options(
        **{
            "kind": "payments",
            "steady_s": 80,
            "load": 0.8,
            "kill_every_s": None,
            "seed": 1,
            "capacity_s": 5,
            "sample_every_s": 10,
            "settle_timeout_s": 60,
            **more,
        }
    )


@pytest.mark.parametrize("verdict", [Verdict.FLAT, Verdict.RESTARTED, Verdict.BY_DESIGN], ids=str)
def test_what_has_to_be_or_cannot_be_judged_is_no_fault(verdict: Verdict) -> None:
    assert Report(judgements=[judged(verdict)]).ok


@pytest.mark.parametrize(
    "report",
    [
        Report(judgements=[judged(Verdict.FLAT), judged(Verdict.GREW)]),
        Report(judgements=[judged(Verdict.MISSING)]),
        Report(judgements=[judged(Verdict.FLAT)], findings=[LOST]),
        Report(),
    ],
    ids=["grew", "missing", "a wrong book", "nothing measured"],
)
def test_growth_a_wrong_book_or_nothing_measured_is_a_failure(report: Report) -> None:
    assert not report.ok
    assert as_json(report)["ok"] is False


def test_too_few_samples_to_judge_by_are_refused() -> None:
    assert options(sample_every_s=10).sample_every_s == 10
    with pytest.raises(ConfigurationError, match="less than 8 samples"):
        options(sample_every_s=10.1)


def test_a_process_that_died_by_itself_is_found() -> None:
    (finding,) = deaths({"api": 2})
    assert (finding.name, finding.subject) == ("died", "api")
    assert "2 times" in finding.detail
    assert deaths({}) == []


def test_the_report_is_json_by_the_names_of_the_series() -> None:
    report = Report(capacity_per_s=10.0, judgements=[judged(Verdict.GREW)], findings=[LOST])
    kept = json.loads(json.dumps(as_json(report)))
    assert kept["series"] == [
        {
            "name": "age_s.messages",
            "start": 0.5,
            "middle": 1.25,
            "end": 99.0,
            "most": 11.25,
            "verdict": "grew",
        }
    ]
    assert kept["findings"][0]["operation_id"] == "pay_1"
    assert kept["capacity_per_s"] == 10.0


def test_people_read_a_table_and_what_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    report = Report(judgements=[judged(Verdict.GREW)], findings=[LOST], kills={"api": 2})
    print_soak(SoakRun(report, Path("r.json"), Path("s.csv"), Path("kept")))
    printed = capsys.readouterr()
    assert "messages age_s" in printed.out
    assert "killed: api (2x)" in printed.out
    assert "grew" in printed.err
    assert "lost: chaos-7-1 (pay_1)" in printed.err
    assert "1 series grew, 1 findings; the platform is kept in kept." in printed.err
