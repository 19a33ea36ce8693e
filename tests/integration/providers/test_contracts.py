"""Every class of Perdure's own, by its contract, against its simulator."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from perdure.providers.bank import HttpPayoutBank
from perdure.providers.credentials import HttpSettings
from perdure.providers.fraud_scorer import HttpFraudScorer
from perdure.providers.gateway import HttpPaymentGateway
from perdure.providers.host import ProviderHost
from perdure.providers.identity import HttpIdentityVerifier
from perdure.providers.mail import Mailer, SmtpMailer, SmtpSettings
from perdure.providers.plaid import PlaidAggregator, PlaidSettings
from perdure.providers.registry import HttpDomainRegistry
from perdure.providers.sms import HttpSmsSender
from perdure.providers.stripe import StripeGateway, StripeSettings
from perdure.simulators.aggregator import AggregatorSettings, open_aggregator
from perdure.simulators.bank import BankSettings, open_bank
from perdure.simulators.fraud_scorer import FraudScorerSettings, open_fraud_scorer
from perdure.simulators.gateway import open_gateway
from perdure.simulators.gateway_processing import GatewaySettings
from perdure.simulators.identity import IdentitySettings, open_identity
from perdure.simulators.mail import MailSettings, open_mail
from perdure.simulators.sms import SmsSettings, open_sms
from perdure.simulators.stripe import open_stripe
from perdure.testing.aggregator_contract import BankAggregatorContract
from perdure.testing.bank_contract import PayoutBankContract
from perdure.testing.gateway_contract import PaymentGatewayContract
from perdure.testing.identity_contract import IdentityVerifierContract
from perdure.testing.message_contracts import (
    FraudScorerContract,
    MailerContract,
    SmsSenderContract,
)
from perdure.testing.registry_contract import DomainRegistryContract
from tests.servers import running_registry

SECRET = "whsec_c2lnbnMgdGhlIGNhbGxiYWNrcyBvZiB0aGUgdGVzdHM="


class TestHttpPaymentGateway(PaymentGatewayContract):
    takes, stays_pending = "tok_ok", "tok_never_confirmed"
    declines, decline_code = "tok_declined", "card_declined"

    @pytest.fixture(scope="class")
    @classmethod
    async def server(cls, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
        tmp_path = tmp_path_factory.mktemp("books")
        settings = GatewaySettings(tmp_path, SECRET, port=0, idempotent=True, confirm_delay_s=0.02)
        async with open_gateway(settings) as port:
            yield f"http://127.0.0.1:{port}"

    def make(self, url: str, host: ProviderHost) -> HttpPaymentGateway:
        settings = HttpPaymentGateway.settings_type(url=url)
        return HttpPaymentGateway.from_settings(settings, host)


class TestStripeGateway(PaymentGatewayContract):
    currencies = ("EUR", "JPY", "KWD", "ISK")
    takes, stays_pending = "pm_card_visa", "tok_never_confirmed"
    declines, decline_code = "pm_card_chargeDeclinedInsufficientFunds", "insufficient_funds"

    @pytest.fixture(scope="class")
    @classmethod
    async def server(cls, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
        tmp_path = tmp_path_factory.mktemp("books")
        async with open_stripe(GatewaySettings(tmp_path, SECRET, port=0)) as port:
            yield f"http://127.0.0.1:{port}"

    def make(self, url: str, host: ProviderHost) -> StripeGateway:
        settings = StripeSettings(api_base=url, api_key=SecretStr("sk_test_1"))
        return StripeGateway.from_settings(settings, host)


class TestHttpPayoutBank(PayoutBankContract):
    takes, keeps = "dest_ok", "dest_not_recallable"
    declines, decline_code = "dest_declined", "account_closed"

    @pytest.fixture(scope="class")
    @classmethod
    async def server(cls, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
        tmp_path = tmp_path_factory.mktemp("books")
        async with open_bank(BankSettings(tmp_path, port=0, idempotent=True)) as port:
            yield f"http://127.0.0.1:{port}"

    def make(self, url: str, host: ProviderHost) -> HttpPayoutBank:
        return HttpPayoutBank.from_settings(HttpSettings(url=url), host)


class TestHttpDomainRegistry(DomainRegistryContract):
    domains = ("one.info", "two.info", "three.info")
    nobody_has = "unregistered-1.info"

    @pytest.fixture(scope="class")
    @classmethod
    async def server(cls, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
        tmp_path = tmp_path_factory.mktemp("books")
        async with running_registry(tmp_path) as registry:
            for domain in cls.domains:
                await registry.change_domain(domain, expires_on="2026-06-01")
            yield registry.url

    def make(self, url: str, host: ProviderHost) -> HttpDomainRegistry:
        host.tld = "info"
        return HttpDomainRegistry.from_settings(HttpSettings(url=url), host)


class TestHttpFraudScorer(FraudScorerContract):
    passes, fails = "tok_ok", "tok_fraud"

    @pytest.fixture(scope="class")
    @classmethod
    async def server(cls) -> AsyncIterator[str]:
        async with open_fraud_scorer(FraudScorerSettings(port=0, delay_s=0)) as port:
            yield f"http://127.0.0.1:{port}"

    def make(self, url: str, host: ProviderHost) -> HttpFraudScorer:
        return HttpFraudScorer.from_settings(HttpSettings(url=url), host)


class TestHttpIdentityVerifier(IdentityVerifierContract):
    takes = "Ada Waits"
    declines, decline_code = "Ada Refused", "country_not_supported"

    @pytest.fixture(scope="class")
    @classmethod
    async def server(cls, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
        tmp_path = tmp_path_factory.mktemp("books")
        async with open_identity(IdentitySettings(tmp_path, SECRET, port=0)) as port:
            yield f"http://127.0.0.1:{port}"

    def make(self, url: str, host: ProviderHost) -> HttpIdentityVerifier:
        settings = HttpIdentityVerifier.settings_type(url=url, callback_secrets=[SecretStr(SECRET)])
        return HttpIdentityVerifier.from_settings(settings, host)


class TestHttpSmsSender(SmsSenderContract):
    takes, rejects = "+49170129999", "+49170120001"

    @pytest.fixture(scope="class")
    @classmethod
    async def server(cls, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
        tmp_path = tmp_path_factory.mktemp("books")
        async with open_sms(SmsSettings(tmp_path, port=0)) as port:
            yield f"http://127.0.0.1:{port}"

    def make(self, url: str, host: ProviderHost) -> HttpSmsSender:
        return HttpSmsSender.from_settings(HttpSettings(url=url), host)


class TestSmtpMailer(MailerContract):
    rejects = "reject@example.org"

    @pytest.fixture
    async def mailer(self, tmp_path: Path) -> AsyncIterator[Mailer]:
        async with (
            open_mail(MailSettings(tmp_path, port=0, smtp_port=0)) as ports,
            ProviderHost(timeout_s=2) as host,
        ):
            inquiry_url = f"http://127.0.0.1:{ports.http}"
            settings = SmtpSettings(host="127.0.0.1", port=ports.smtp, inquiry_url=inquiry_url)
            yield SmtpMailer.from_settings(settings, host)

    @pytest.fixture
    async def mailer_without_server(self) -> AsyncIterator[Mailer]:
        async with ProviderHost(timeout_s=2) as host:
            yield SmtpMailer.from_settings(SmtpSettings(host="127.0.0.1", port=9), host)


class TestPlaidAggregator(BankAggregatorContract):
    @pytest.fixture(scope="class")
    @classmethod
    async def server(cls, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
        tmp_path = tmp_path_factory.mktemp("books")
        async with open_aggregator(AggregatorSettings(tmp_path, port=0)) as port:
            yield f"http://127.0.0.1:{port}"

    def make(self, url: str, host: ProviderHost) -> PlaidAggregator:
        settings = PlaidSettings(url=url, client_id="ours", secret=SecretStr("s"))
        return PlaidAggregator.from_settings(settings, host)

    async def public_token(self, url: str) -> str:
        async with httpx.AsyncClient(base_url=url, trust_env=False) as control:
            made = await control.post("/control/items", json={"transactions": 10})
            return str(made.json()["public_token"])
