"""Texts in which nobody is named any more."""

from typing import Any

import pytest

from perdure.capability.words import Words

WORDS = Words(["Ada Lovelace", "Ada", "ada@example.com", "+442079460000", "paid", ""])


@pytest.mark.parametrize(
    ("text", "without"),
    [
        ("Asked for by Ada Lovelace.", "Asked for by [erased]."),
        ("ADA LOVELACE, ada@Example.com", "[erased], [erased]"),
        ("Called +442079460000 twice", "Called [erased] twice"),
        ("Call +4420794600001", "Call +4420794600001"),
        ("Ada", "Ada"),
        ("unpaid, prepaid", "unpaid, prepaid"),
    ],
)
def test_whole_words_are_taken_out_in_any_case(text: str, without: str) -> None:
    assert WORDS.without(text) == without


def test_of_an_object_its_own_words_and_ids_stay() -> None:
    given: dict[str, Any] = {
        "status": "paid",
        "customer_id": "ada@example.com",
        "notes": [{"said": "Ada Lovelace"}, 7, None],
    }
    assert WORDS.without(given) == given | {"notes": [{"said": "[erased]"}, 7, None]}


def test_without_words_nothing_changes() -> None:
    assert Words(["", "Al"]).without("Al and all") == "Al and all"
