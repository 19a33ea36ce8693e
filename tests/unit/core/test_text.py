"""Text: everything that is a line of text passes, and nothing else."""

import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.core.errors import InvalidInput
from perdure.core.text import check_identifier, check_json, check_optional_text, check_text

WELCOME = [
    "Zoë",
    "山田\u3000太郎",
    "a\u00a0b",
    "👩\u200d💻",
    "exam\u00adple",
    "a\u2028b",
    "\ufeffa",
    "🇫🇷",
]
REFUSED = ["\0", "\t", "\n", "\r", "\x1b", "\x7f", "\x85", "\x9f", "\ud800", "\udfff"]


@pytest.mark.parametrize("text", WELCOME)
def test_text_is_kept_as_it_is(text: str) -> None:
    assert check_text("name", text) == check_optional_text("name", text) == text


@pytest.mark.parametrize("character", REFUSED, ids=ascii)
@pytest.mark.parametrize("check", [check_text, check_optional_text, check_identifier, check_json])
def test_control_characters_and_surrogates_are_refused(check: Any, character: str) -> None:
    for text in (f"a{character}b", f"a{character}", f"{character}a"):
        with pytest.raises(InvalidInput, match=f"U\\+{ord(character):04X}") as refusal:
            check("payee.name", text)
        assert (refusal.value.code, refusal.value.param) == ("invalid_input", "payee.name")


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=255))
def test_whatever_else_there_is_is_welcome(text: str) -> None:
    assert check_optional_text("name", text) == text


@pytest.mark.parametrize("text", ["", " ", "\u3000", "x" * 256])
def test_a_text_that_has_to_be_there_is_not_blank_and_not_too_long(text: str) -> None:
    for check in (check_text, check_identifier):
        with pytest.raises(InvalidInput):
            check("name", text)


def test_one_identifier_in_several_forms_is_the_same() -> None:
    forms = ["Zoë", "Zoe\u0308", " Zoë ", "\u3000Zoe\u0308\u00a0"]
    assert {check_identifier("customer_id", form) for form in forms} == {"Zoë"}


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=80))
def test_a_normal_form_is_its_own(text: str) -> None:
    try:
        once = check_identifier("reference", text)
    except InvalidInput:
        assert not text.strip()
        return
    assert check_identifier("reference", once) == once
    assert unicodedata.is_normalized("NFC", once)
    assert once == once.strip()


@pytest.mark.parametrize(
    "value",
    [
        {"a\0": 1},
        {"a": ["b", {"c": "\x1b"}]},
        {"a": float("inf")},
        [float("nan")],
        [[[[[[[[[[[[[[[[[["deep"]]]]]]]]]]]]]]]]]],
    ],
)
def test_json_that_no_column_holds_is_refused(value: object) -> None:
    with pytest.raises(InvalidInput):
        check_json("patch", value)


def test_json_of_text_passes() -> None:
    check_json("patch", {"payee": {"name": "Zoë", "phone": None}, "years": [1, 2.5, True]})
