"""The supervisor's pure parts."""

from pathlib import Path

import pytest

from perdure.embedded.processes import describe_exit, log_tail
from perdure.embedded.supervisor import Backoff


def test_the_delay_doubles_up_to_its_cap() -> None:
    backoff = Backoff(initial_s=0.5, max_s=3.0)
    assert [backoff.delay_s(n) for n in range(6)] == [0.5, 0.5, 1.0, 2.0, 3.0, 3.0]
    assert backoff.delay_s(10_000) == 3.0


@pytest.mark.parametrize(
    ("code", "words"), [(-9, "was killed (signal 9)"), (3, "ended with exit code 3")]
)
def test_an_exit_is_described_in_words(code: int, words: str) -> None:
    assert describe_exit(code) == words


def test_a_log_s_tail_is_its_last_lines(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    assert log_tail(log).strip() == "(empty)"
    log.write_text("".join(f"line {n}\n" for n in range(5000)))
    assert [line.strip() for line in log_tail(log, lines_max=2).splitlines()] == [
        "line 4998",
        "line 4999",
    ]
