"""A renewal's decisions."""

from dataclasses import replace

import pytest

from perdure.core.errors import (
    InvalidInput,
    OperationCancelled,
    PerdureError,
    ProviderDeclined,
    ProviderUnavailable,
    Refused,
)
from perdure.notifications.contracts import Party
from perdure.renewals import rules
from perdure.renewals.contracts import (
    DomainOffer,
    Fee,
    RenewalInput,
    RenewalReport,
    RenewalRequest,
)

ACCOUNT = "acc_01h455vb4pex5vsknk084sn02q"
REQUEST = RenewalRequest("cus_1", "example.info", 2, ACCOUNT)
RENEWAL = RenewalInput("rnw_1", REQUEST, "registry-info", "2027-03-01")
OFFER = DomainOffer("active", "2027-03-01", premium=False, year_price_minor=1499, currency="USD")
FEE = Fee(2998, "USD")
REPORT = RenewalReport("ren_1", "2029-03-01", 2998, "USD", "renewed")


def asked(**changes: object) -> RenewalInput:
    return replace(RENEWAL, request=replace(REQUEST, **changes))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["example.info", "a.fr", "xn--caf-dma.fr", "a-b.c1.com"])
def test_a_domains_name_passes(name: str) -> None:
    rules.check_domain_name(name)


@pytest.mark.parametrize(
    "name",
    [
        *("", "info", ".info", "example.", "a..info", "-a.info", "a-.info", "a b.info", "a.info\n"),
        *("Example.info", "1.2.3.4", "café.fr", "a" * 64 + ".info", ".".join(["a" * 60] * 5)),
    ],
)
def test_what_is_no_domains_name_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        rules.check_domain_name(name)
    assert (refused.value.code, refused.value.param) == ("invalid_domain", "domain")


@pytest.mark.parametrize(
    ("change", "code", "param"),
    [
        ({"customer_id": " "}, "invalid_input", "customer_id"),
        ({"domain": "nonsense"}, "invalid_domain", "domain"),
        ({"years": 0}, "invalid_years", "years"),
        ({"years": 11}, "invalid_years", "years"),
        ({"account_id": "nonsense"}, "invalid_id", "account_id"),
        ({"reference": ""}, "invalid_input", "reference"),
        ({"price_minor_max": 0}, "invalid_amount", "price_minor_max"),
        ({"customer": Party(email="nobody")}, "invalid_input", "customer.email"),
    ],
)
def test_a_request_that_can_never_be_a_renewal_is_refused(
    change: dict[str, object], code: str, param: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        rules.check_request(asked(**change).request)
    assert (refused.value.code, refused.value.param) == (code, param)


def test_the_fee_is_that_of_all_years() -> None:
    rules.check_request(REQUEST)
    assert rules.fee_of(RENEWAL, OFFER) == FEE


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"status": "locked"}, "domain_locked"),
        ({"status": "expired"}, "domain_expired"),
        ({"expires_on": "2028-03-01"}, "expiry_mismatch"),
        ({"premium": True}, "premium_not_confirmed"),
    ],
)
def test_what_the_registry_says_may_refuse_a_renewal(change: dict[str, object], code: str) -> None:
    with pytest.raises(Refused) as refused:
        rules.fee_of(RENEWAL, replace(OFFER, **change))  # type: ignore[arg-type]
    assert refused.value.code == code


def test_a_premium_domain_is_refused_with_its_price() -> None:
    with pytest.raises(Refused, match=r"costs 299\.80 USD for 2 years"):
        rules.fee_of(RENEWAL, replace(OFFER, premium=True, year_price_minor=14990))


def test_the_most_that_is_accepted_confirms_a_premium_domain_up_to_it() -> None:
    premium = replace(OFFER, premium=True)
    assert rules.fee_of(asked(price_minor_max=2998), premium) == FEE
    for offer in (OFFER, premium):
        with pytest.raises(Refused) as refused:
            rules.fee_of(asked(price_minor_max=2997), offer)
        assert refused.value.code == "price_over_maximum"


def test_a_currency_that_is_not_taken_is_refused() -> None:
    with pytest.raises(InvalidInput) as refused:
        rules.fee_of(RENEWAL, replace(OFFER, currency="XTS"))
    assert refused.value.code == "unknown_currency"


@pytest.mark.parametrize(
    ("current", "years", "expected"),
    [
        ("2027-03-01", 2, ("2029-03-01",)),
        ("2028-02-29", 4, ("2032-02-29",)),
        ("2028-02-29", 1, ("2029-02-28", "2029-03-01")),
    ],
)
def test_a_renewed_domain_ends_so_many_years_later(
    current: str, years: int, expected: tuple[str, ...]
) -> None:
    assert rules.expiries_after(current, years) == expected


def test_a_report_as_expected_passes() -> None:
    rules.check_report(RENEWAL, FEE, REPORT)


@pytest.mark.parametrize(
    "change",
    [{"expires_on": "2028-03-01"}, {"price_minor": 2999}, {"currency": "EUR"}, {"currency": "?"}],
)
def test_a_report_of_something_else_is_for_a_person_to_look_at(change: dict[str, object]) -> None:
    with pytest.raises(PerdureError) as found:
        rules.check_report(RENEWAL, FEE, replace(REPORT, **change))  # type: ignore[arg-type]
    assert found.value.code == "report_mismatch"
    assert not isinstance(found.value, Refused)


def test_a_renewal_taken_back_at_the_registry_is_none() -> None:
    rules.check_stands(REPORT)
    with pytest.raises(ProviderDeclined) as refused:
        rules.check_stands(replace(REPORT, status="undone"))
    assert refused.value.code == "renewal_undone"


@pytest.mark.parametrize(
    ("has_begun", "error", "expected"),
    [
        (False, ProviderUnavailable("away"), False),
        (True, ProviderDeclined("No."), False),
        (True, ProviderUnavailable("away"), True),
        (True, OperationCancelled("Stop."), True),
    ],
)
def test_only_what_the_registry_may_have_done_is_undone(
    has_begun: bool, error: PerdureError, expected: bool
) -> None:
    assert rules.has_to_be_undone(error, has_begun=has_begun) is expected


@pytest.mark.parametrize(
    ("code", "expected"),
    [("not_refundable", True), ("grace_period_over", True), ("unknown_renewal", False)],
)
def test_a_renewal_stands_after_some_refusals_to_undo_it(code: str, expected: bool) -> None:
    assert rules.stands_after(ProviderDeclined("No.", code=code)) is expected
