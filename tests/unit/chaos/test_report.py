"""A report adds up, says nothing twice, and every finding says how to run its round again."""

from perdure.chaos.rounds import Options, Report, RoundReport
from perdure.chaos.seen import Finding
from perdure.cli.chaos import replay

ASKED = {"payments": 70, "giftcards": 3}
OPTIONS = Options(seed=5, rounds=9, operations=ASKED, kills=3, overlap=2, settle_timeout_s=60)
FINDING = Finding("lost", 7, "chaos-7-1", "pay_1", "accepted, and there is no such operation")


def done(seed: int, *findings: Finding) -> RoundReport:
    return RoundReport(
        seed=seed,
        operations=ASKED,
        accepted=69,
        refunds=3,
        outcomes={"succeeded": 60, "cancelled": 9},
        kills={"api": 2, "mail": 1},
        read_only_s=2.5,
        retries=4,
        storm_s=1.0,
        settle_s=2.0,
        findings=list(findings),
    )


def test_a_finding_of_a_round_is_run_again_by_the_rounds_seed() -> None:
    assert replay(FINDING, OPTIONS) == (
        "perdure chaos --seed 7 --rounds 1 --payments 70 --giftcards 3 --kills 3"
    )


def test_a_finding_of_no_one_round_is_run_again_by_all_rounds() -> None:
    finding = Finding("clearing_differs", None, "gateway", None, "5 is not 6")
    assert replay(finding, OPTIONS).startswith("perdure chaos --seed 5 --rounds 9 ")


def test_a_finding_seen_twice_is_reported_once() -> None:
    report = Report()
    report.add([FINDING])
    report.add([FINDING, Finding("lost", 8, "chaos-8-1", None, "")])
    assert [finding.seed for finding in report.findings] == [7, 8]


def test_the_summary_is_the_sum_of_the_rounds() -> None:
    report = Report([done(7, FINDING), done(8)], [FINDING], 12.34)
    assert report.summary() == {
        "rounds": 2,
        "operations": {"payments": 140, "giftcards": 6},
        "accepted": 138,
        "refunds": 6,
        "outcomes": {"cancelled": 18, "succeeded": 120},
        "kills": {"api": 4, "mail": 2},
        "kills_in_all": 6,
        "read_only_s": 5.0,
        "retries": 8,
        "findings": 1,
        "seconds": 12.3,
    }
