"""What is typed after `--set` and `--patch`."""

import pytest

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
