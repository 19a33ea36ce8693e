"""The table of bulk actions."""

from typing import Any

import pytest

from perdure.core.errors import InvalidInput
from perdure.operations.actions import OperatorActions
from perdure.operations.bulk.actions import ACTIONS, bulk_action


def test_each_action_is_one_that_operators_have() -> None:
    for name in ACTIONS:
        assert callable(getattr(OperatorActions, name))


def test_an_inverse_is_undone_by_what_it_undoes_and_others_say_why_not() -> None:
    for name, action in ACTIONS.items():
        if action.inverse is None:
            assert action.why_no_inverse
        else:
            assert ACTIONS[action.inverse].inverse == name


@pytest.mark.parametrize(
    ("name", "arguments", "param"),
    [
        ("park", {"patch": {}}, "patch"),
        ("correct", {}, "patch"),
        ("correct", {"patch": {}}, "patch"),
        ("correct", {"patch": "x"}, "patch"),
        ("correct", {"patch": {"a": 1}, "go_on": "no"}, "go_on"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(
    name: str, arguments: dict[str, Any], param: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        bulk_action(name).check(arguments)
    assert refused.value.param == param


def test_arguments_that_fit_pass() -> None:
    bulk_action("correct").check({"patch": {"a": 1}, "go_on": False})
    bulk_action("relaunch").check({})
