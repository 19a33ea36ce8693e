"""Whose books `verify` reads, and whose it says that it does not."""

from dataclasses import replace

from perdure.cli.verify import _Asked
from perdure.providers.bank import BANK_ROLE, HttpPayoutBank
from perdure.providers.gateway import GATEWAY_ROLE
from perdure.providers.mail import MAIL_ROLE


class PlainBank(HttpPayoutBank):
    """One whose class does not tell its books."""

    books = None  # type: ignore[assignment]


PLAIN = replace(BANK_ROLE, built_in={"plain": f"{__name__}:PlainBank"}, default="plain")


def test_books_are_read_by_the_class_that_is_set_or_at_the_url_that_is_given() -> None:
    at_url, as_set = GATEWAY_ROLE.at("http://one"), GATEWAY_ROLE.at("http://other")
    asked = _Asked({"gateway": {"": at_url}}, None)
    told = ["The books of assets, bank, registry, wallets are not read (--books does)."]
    assert list(asked.told()) == told
    asked.add([as_set, PLAIN.at("http://bank"), MAIL_ROLE.at("http://mail")])
    assert asked.compared == {"gateway": {"": at_url}}
    told = ["The books of bank are not read: the class of PERDURE_BANK=plain does not tell them."]
    assert list(asked.told()) == told
    assert asked.as_json() == {"read": ["gateway"], "not_read": ["bank"], "since": None}
