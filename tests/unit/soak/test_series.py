"""The samples' file has a line for each sample, and a column for each series."""

import csv
from pathlib import Path

from perdure.soak.series import Measure, Sample, SampleFile, Series

MEMORY, AGE = Series(Measure.MEMORY, "api"), Series(Measure.AGE, "tasks in fraud")


def test_a_sample_is_in_the_file_as_soon_as_it_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "samples.csv"
    file = SampleFile(path)
    file.append(Sample(0.04, {"api": 12}, {MEMORY: 100.126, AGE: 0.0}))
    assert path.read_text().splitlines() == [
        "at_s,pid.api,memory_mib.api,age_s.tasks in fraud",
        "0.0,12,100.13,0.0",
    ]


def test_what_could_not_be_measured_is_left_empty_and_nothing_moves_column(tmp_path: Path) -> None:
    path = tmp_path / "samples.csv"
    file = SampleFile(path)
    file.append(Sample(0, {"api": 12}, {MEMORY: 100.0, AGE: 0.0}))
    file.append(Sample(5, {}, {AGE: 3.0}))
    file.append(Sample(10, {"api": 13, "new": 1}, {AGE: 4.0, MEMORY: 90.0}))
    with path.open() as lines:
        rows = list(csv.DictReader(lines))
    assert [row["pid.api"] for row in rows] == ["12", "", "13"]
    assert [row[MEMORY.column] for row in rows] == ["100.0", "", "90.0"]
    assert [row[AGE.column] for row in rows] == ["0.0", "3.0", "4.0"]
