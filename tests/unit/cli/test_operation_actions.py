"""What is typed after `--set`, `--patch` and `--deadline`."""

from datetime import UTC, datetime

import pytest

from perdure.cli.deadlines import read_deadline
from perdure.cli.operation_actions import read_patch
from perdure.core.errors import InvalidInput


def test_texts_by_their_dotted_names_are_added_to_the_patch() -> None:
    patch = read_patch('{"payee": {"name": "Ada"}}', ["payee.email=a=b@example.com", "x=1"])
    assert patch == {"payee": {"name": "Ada", "email": "a=b@example.com"}, "x": "1"}


@pytest.mark.parametrize(
    ("patch", "settings"),
    [("{", []), ("[1]", []), ("{}", ["payee"]), ("{}", ["=1"]), ('{"payee": 1}', ["payee.name=x"])],
)
def test_what_cannot_be_read_is_refused(patch: str, settings: list[str]) -> None:
    with pytest.raises(InvalidInput):
        read_patch(patch, settings)


def test_a_deadline_has_its_zone() -> None:
    assert read_deadline(None) is None
    assert read_deadline("2030-01-31T12:00:00Z") == datetime(2030, 1, 31, 12, tzinfo=UTC)
    for text in ("2030-01-31T12:00:00", "tomorrow"):
        with pytest.raises(InvalidInput, match="time with its zone"):
            read_deadline(text)
