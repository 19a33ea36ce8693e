"""Mail addresses and phone numbers: in one form, or refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.core.addresses import check_mail_address, check_phone_number
from perdure.core.errors import InvalidInput


@pytest.mark.parametrize(
    ("given_as", "kept"),
    [
        ("ada@example.com", "ada@example.com"),
        ("Ada.B+tag@Example.COM", "Ada.B+tag@example.com"),
        ("ada@exämple.com", "ada@xn--exmple-cua.com"),
        ("ada@xn--exmple-cua.com", "ada@xn--exmple-cua.com"),
        ("ada@perdure.example", "ada@perdure.example"),
    ],
)
def test_an_address_is_kept_in_the_form_that_every_server_takes(given_as: str, kept: str) -> None:
    assert check_mail_address("payee.email", given_as) == kept
    assert check_mail_address("payee.email", kept) == kept


@pytest.mark.parametrize(
    "address",
    [
        "",
        "nobody",
        "a@b",
        "a@b@c.com",
        "a,b@example.com",
        "a b@example.com",
        "Ada <ada@example.com>",
        "adä@example.com",
        "ada@example.com\r\nBcc: eve@example.com",
        "ada@example..com",
        ".ada@example.com",
        "ada@localhost",
        "ada@printer.local",
        "ada@nowhere.invalid",
        "ada@[127.0.0.1]",
        "ada@\ud800.com",
        "\ud800@example.com",
        f"{'a' * 65}@example.com",
        f"a@{'b' * 64}.com",
        "a@" + "b." * 130 + "com",
        "x" * 100_000,
    ],
    ids=lambda address: ascii(address[:30]),
)
def test_what_no_mail_can_be_sent_to_is_refused(address: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        check_mail_address("payee.email", address)
    assert (refusal.value.code, refusal.value.param) == ("invalid_input", "payee.email")


@given(st.text(max_size=40) | st.builds("{}@{}.com".format, st.text(max_size=9), st.text()))
def test_an_address_that_passes_is_ascii(address: str) -> None:
    try:
        kept = check_mail_address("email", address)
    except InvalidInput:
        return
    assert kept.isascii()
    assert kept.isprintable()
    assert not set(kept) & set(' ,;:<>()[]\\"')


@pytest.mark.parametrize("number", ["+33123456789", "+15550100", "+999999999999999"])
def test_a_phone_number_passes(number: str) -> None:
    assert check_phone_number("phone", number) == number


@pytest.mark.parametrize(
    "number",
    ["", "+", "0123", "33123456789", "+0", "+0123456789", "+٣٣١٢٣٤٥٦٧٨٩", "+33 1", "+1\n", "+²³"]
    + ["+" + "1" * digits for digits in (16, 200)],
)
def test_what_is_no_number_as_e164_has_it_is_refused(number: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        check_phone_number("payer.phone", number)
    assert refusal.value.param == "payer.phone"
