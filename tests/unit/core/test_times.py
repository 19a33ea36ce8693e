"""Moments and days: what no column holds is refused where it comes in."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.core.errors import InvalidInput
from perdure.core.times import read_date, read_moment


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2030-01-31T12:00:00Z", datetime(2030, 1, 31, 12, tzinfo=UTC)),
        ("2030-01-31t12:00:00z", datetime(2030, 1, 31, 12, tzinfo=UTC)),
        ("2030-01-31T12:00:00.5+02:00", datetime(2030, 1, 31, 10, 0, 0, 500_000, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
        ("9999-12-31T23:59:59Z", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_a_moment_is_read_into_utc(text: str, moment: datetime) -> None:
    found = read_moment("deadline", text)
    assert (found, found.tzinfo) == (moment, UTC)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tomorrow",
        "2030-01-31",
        "2030-01-31T12:00:00",
        "1893456000",
        "9999-12-31T23:59:59-12:00",
        "0001-01-01T00:00:00+14:00",
        "10000-01-01T00:00:00Z",
        "2030-02-30T00:00:00Z",
        "٢٠٣٠-01-31T12:00:00Z",
        "\ud800",
    ],
    ids=ascii,
)
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        read_moment("deadline", text)
    assert (refusal.value.code, refusal.value.param) == ("invalid_time", "deadline")


@given(st.datetimes(timezones=st.timezones()))
def test_whatever_is_written_out_is_read_back(moment: datetime) -> None:
    try:
        in_utc = moment.astimezone(UTC)
    except OverflowError:
        in_utc = None
    try:
        assert read_moment("deadline", moment.isoformat()) == in_utc
    except InvalidInput:
        assert in_utc is None


def test_a_day_is_written_in_one_way() -> None:
    assert read_date("expires_on", "2028-02-29") == date(2028, 2, 29)
    for text in (
        "",
        "20280229",
        "2028-W09-2",
        "2027-02-29",
        "29.02.2028",
        "٢٠٢٨-02-29",
        "2028-2-9",
    ):
        with pytest.raises(InvalidInput) as refusal:
            read_date("expires_on", text)
        assert (refusal.value.code, refusal.value.param) == ("invalid_date", "expires_on")
