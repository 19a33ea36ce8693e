"""The settings: what is empty is not there, and what is wrong is named in one line."""

import pytest

from perdure.capability.taking_in import funded_settings
from perdure.config import Settings
from perdure.core.errors import ConfigurationError
from perdure.core.settings import EnvironmentSettings
from perdure.notifications.settings import NotificationSettings
from perdure.outside import uses
from perdure.payments.settings import PaymentSettings
from perdure.refunds.settings import RefundSettings
from perdure.renewals.settings import RenewalSettings
from perdure.transfers.capability import TRANSFERS

PAYMENT = "PERDURE_PAYMENT"
KINDS: list[type[EnvironmentSettings]] = [
    Settings,
    NotificationSettings,
    PaymentSettings,
    RefundSettings,
    RenewalSettings,
]
FIELDS = [
    *(field for kind in KINDS for field in kind.model_fields),
    *(f"{use.role.name}_{field}" for use in uses(Settings()) for field in ("url", "timeout_s")),
]


def read_all() -> list[object]:
    """Read every setting that there is: of the house, of the kinds, of whom they call."""
    settings = Settings.load()
    calls = [use.settings(use.load()) for use in uses(settings)]
    return [*(settings.of(kind) for kind in KINDS), *calls, *uses(settings)]


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for field in FIELDS:
        monkeypatch.delenv(f"PERDURE_{field.upper()}", raising=False)
    monkeypatch.delenv("DATABASE_URL", raising=False)


def test_every_setting_that_is_empty_has_its_default(monkeypatch: pytest.MonkeyPatch) -> None:
    defaults = read_all()
    for field in FIELDS:
        monkeypatch.setenv(f"PERDURE_{field.upper()}", "")
    monkeypatch.setenv("DATABASE_URL", "")
    assert read_all() == defaults


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("PERDURE_REGISTRY_URLS", "{info: http://x}", "it is no JSON: Expecting property name"),
        ("PERDURE_GATEWAY_CALLBACK_SECRETS", "whsec_hunter2", "it is no JSON: Expecting value"),
        ("PERDURE_QUEUES", '["a"]', "Input should be a valid dictionary"),
        ("PERDURE_REGISTRY_URLS", '{"fr": 1}', "Input should be a valid string at fr"),
        ("PERDURE_REGISTRY_URLS", '{"fr": "a", ".FR": "b"}', "A TLD is given twice"),
        ("PERDURE_REGISTRY_URLS", '{"": "http://x"}', "'' is not a TLD"),
        ("PERDURE_DATABASE_POOL_SIZE", "many", "Input should be a valid integer"),
    ],
)
def test_a_setting_that_is_wrong_is_named_in_one_line(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, told: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as wrong:
        read_all()
    assert f"The setting {name} is wrong: {told}" in wrong.value.message
    assert wrong.value.param == name
    assert "\n" not in wrong.value.message
    assert "hunter2" not in wrong.value.message


def test_a_registry_is_set_for_an_ending_however_it_is_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PERDURE_REGISTRY_URLS", '{".CO.UK": "http://a", "Info": "http://b"}')
    assert RenewalSettings.read().registry_urls == {"co.uk": "http://a", "info": "http://b"}


def test_a_limit_is_a_default_and_a_table_of_currencies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{PAYMENT}_AMOUNT_MINOR_MAX", "500000")
    monkeypatch.setenv(f"{PAYMENT}_AMOUNT_MINOR_MAX_BY_CURRENCY", '{"JPY": 1500000}')
    monkeypatch.setenv(f"{PAYMENT}_DAILY_LIMIT_MINOR_BY_CURRENCY", '{"EUR": 900}')
    settings = Settings.load().of(PaymentSettings)
    amount, daily = settings.amount_limit, settings.daily_limit
    assert [amount.minor_of(currency) for currency in ("USD", "JPY", "KRW", "KWD")] == [
        500_000,
        1_500_000,
        5_000,
        5_000_000,
    ]
    assert [daily.minor_of(currency) for currency in ("EUR", "USD")] == [900, None]
    assert funded_settings(TRANSFERS, Settings.load()).amount_limit.minor_of("JPY") == 10_000


def test_what_is_given_for_a_kind_comes_before_what_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{PAYMENT}_PATIENCE_S", "7")
    monkeypatch.setenv(f"{PAYMENT}_CALLBACK_TIMEOUT_S", "8")
    given = Settings(payment_patience_s=9).of(PaymentSettings)
    assert (given.patience_s, given.callback_timeout_s) == (9, 8)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (f"{PAYMENT}_AMOUNT_MINOR_MAX_BY_CURRENCY", '{"XXX": 1}'),
        (f"{PAYMENT}_AMOUNT_MINOR_MAX_BY_CURRENCY", '{"JPY": 0}'),
        (f"{PAYMENT}_AMOUNT_MINOR_MAX", str(2**63)),
        (f"{PAYMENT}_DAILY_LIMIT_MINOR", "0"),
        ("PERDURE_MAIL_SENDER", "zahlung@exämple..com"),
    ],
)
def test_a_limit_that_is_none_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=name):
        read_all()


def test_mails_are_sent_from_an_address_in_ascii(monkeypatch: pytest.MonkeyPatch) -> None:
    for given, kept in (("a@exämple.com", "a@xn--exmple-cua.com"), ("a@localhost", "a@localhost")):
        monkeypatch.setenv("PERDURE_MAIL_SENDER", given)
        assert NotificationSettings.read().mail_sender == kept
