"""Which class serves a role: by name, from any package, or a line that says why not."""

from pathlib import Path
from typing import Any, Final

import pytest

from perdure.config import Settings
from perdure.core.errors import ConfigurationError
from perdure.outside import open_outside, use_of, uses
from perdure.providers.choice import Role, Use
from perdure.providers.fraud_scorer import (
    FRAUD_SCORER_ROLE,
    FraudScore,
    FraudScorer,
    HttpFraudScorer,
)
from perdure.providers.host import ProviderHost
from perdure.renewals.outside import registry_use
from perdure.renewals.settings import RenewalSettings

SCORER: Final = """
from typing import Self
from pydantic import SecretStr
from pydantic_settings import SettingsConfigDict
from perdure.core.settings import EnvironmentSettings
from perdure.providers.fraud_scorer import FraudScore
from perdure.providers.host import ProviderHost

class AcmeSettings(EnvironmentSettings):
    model_config = SettingsConfigDict(env_prefix="PERDURE_ACME_")
    key: SecretStr

class AcmeScorer:
    settings_type = AcmeSettings

    def __init__(self, key):
        self.key = key

    @classmethod
    def from_settings(cls, settings, host):
        host.address = "https://acme.example"
        return cls(settings.key)

    async def score(self, *, reference, customer_id, amount_minor, currency, payment_method):
        return FraudScore(reference, "pass", 7)

class Lacking:
    settings_type = AcmeSettings

    @classmethod
    def from_settings(cls, settings, host):
        return cls()

    async def score(self, *, reference, customer_id, amount_minor, currency):
        ...

class Raising(AcmeScorer):
    @classmethod
    def from_settings(cls, settings, host):
        raise ValueError(settings.key.get_secret_value())

class Empty:
    def score(self):
        ...

a_number = 7
"""


@pytest.fixture
def acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package with providers, good and bad, as pip leaves it."""
    (tmp_path / "acme_scorer.py").write_text(SCORER)
    (tmp_path / "acme_broken.py").write_text("import acme_needs_this\n")
    metadata = tmp_path / "acme_pay-1.2.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-pay\nVersion: 1.2\n")
    (metadata / "entry_points.txt").write_text(
        "[perdure.providers]\n"
        "acme = acme_scorer:AcmeScorer\n"
        "lacking = acme_scorer:Lacking\n"
        "empty = acme_scorer:Empty\n"
        "raising = acme_scorer:Raising\n"
        "number = acme_scorer:a_number\n"
        "gone = acme_scorer:Gone\n"
        "broken = acme_broken:Scorer\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))


def scorer(chosen: str) -> Use[Any]:
    return use_of(FRAUD_SCORER_ROLE, Settings(fraud_scorer=chosen))


@pytest.mark.usefixtures("acme")
@pytest.mark.parametrize(
    ("chosen", "told"),
    [
        ("adyen", ": there is no such provider; there are http, acme (of acme-pay 1.2), lacking"),
        ("broken", " of acme-pay 1.2: cannot be imported: ModuleNotFoundError: No module named"),
        ("gone", " of acme-pay 1.2: cannot be imported: AttributeError: module 'acme_scorer'"),
        ("number", " of acme-pay 1.2: acme_scorer:a_number is no class."),
        ("lacking", "acme_scorer:Lacking is no FraudScorer: its score takes no payment_method."),
        ("empty", "it has no from_settings(settings, host); its score is not async."),
        ("acme", ": The setting PERDURE_ACME_KEY is missing."),
        ("raising", " of acme-pay 1.2: acme_scorer:Raising cannot be made: ValueError."),
    ],
)
async def test_what_is_wrong_with_a_provider_is_one_line_that_names_it(
    chosen: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if chosen == "raising":
        monkeypatch.setenv("PERDURE_ACME_KEY", "hunter2")
    with pytest.raises(ConfigurationError) as raised:
        async with ProviderHost(timeout_s=1) as host:
            scorer(chosen).make(host)
    assert raised.value.message.startswith(f"PERDURE_FRAUD_SCORER={chosen}")
    assert told in raised.value.message
    assert "\n" not in raised.value.message
    assert "hunter2" not in raised.value.message


@pytest.mark.usefixtures("acme")
async def test_a_packages_provider_is_made_of_its_own_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PERDURE_ACME_KEY", "hunter2")
    async with open_outside(Settings(fraud_scorer="acme")) as outside:
        score = await outside.provider(FRAUD_SCORER_ROLE).score(
            reference="pay_1", customer_id="c", amount_minor=1, currency="EUR", payment_method="m"
        )
    assert score == FraudScore("pay_1", "pass", 7)


@pytest.mark.usefixtures("acme")
async def test_a_kinds_own_role_is_served_as_the_houses_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    role: Role[FraudScorer] = Role(
        "gift_issuer",
        FraudScorer,
        {"http": "perdure.providers.fraud_scorer:HttpFraudScorer"},
        default="http",
        ask=FRAUD_SCORER_ROLE.ask,
    )
    monkeypatch.setenv("PERDURE_ACME_KEY", "hunter2")
    monkeypatch.setenv("PERDURE_GIFT_ISSUER_URL", "http://gifts")
    async with open_outside(Settings()) as outside:
        assert type(outside.provider(role)) is HttpFraudScorer
        monkeypatch.setenv("PERDURE_GIFT_ISSUER", "acme")
        assert type(outside.provider(role)).__name__ == "AcmeScorer"
        monkeypatch.setenv("PERDURE_GIFT_ISSUER", "nobody")
        with pytest.raises(ConfigurationError, match="PERDURE_GIFT_ISSUER=nobody: there is no"):
            outside.provider(role)
        monkeypatch.setenv("PERDURE_GIFT_ISSUER_TIMEOUT_S", "0")
        with pytest.raises(ConfigurationError, match="PERDURE_GIFT_ISSUER_TIMEOUT_S is wrong"):
            outside.provider(role)


async def test_perdures_own_class_has_the_settings_of_its_role(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PERDURE_REGISTRY_CO_UK_API_KEY", "hunter2")
    monkeypatch.setenv("PERDURE_REGISTRY_UK_URL", "http://uk")
    settings = RenewalSettings(registry_urls={"co.uk": "http://co.uk"}, registries={"uk": "http"})
    assert settings.tlds == ["co.uk", "uk"]
    found = [registry_use(tld, settings) for tld in settings.tlds]
    read = [use.settings(use.load()) for use in found]
    assert [one.url for one in read] == ["http://co.uk", "http://uk"]  # type: ignore[attr-defined]
    assert [one.api_key is None for one in read] == [False, True]  # type: ignore[attr-defined]
    assert str(found[0]) == "PERDURE_REGISTRIES=http (for .co.uk)"


def test_every_outside_system_has_a_class_of_perdures_own() -> None:
    for use in uses(Settings()):
        assert use.is_default
        assert use.load().__module__.startswith("perdure.")
