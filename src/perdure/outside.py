"""The clients of the outside systems, as the settings name them."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import aiohttp

from perdure.config import Settings
from perdure.providers.bank import HttpPayoutBank
from perdure.providers.fraud_scorer import HttpFraudScorer
from perdure.providers.gateway import HttpPaymentGateway
from perdure.providers.http_client import open_http_client
from perdure.providers.mail import SmtpMailSender
from perdure.providers.registry import HttpDomainRegistry
from perdure.providers.sms import HttpSmsSender


@dataclass(frozen=True, slots=True)
class Outside:
    """All that a worker may call.

    Args:
        registries: By TLD.
    """

    gateway: HttpPaymentGateway
    bank: HttpPayoutBank
    scorer: HttpFraudScorer
    mail: SmtpMailSender
    sms: HttpSmsSender
    registries: Mapping[str, HttpDomainRegistry]


@asynccontextmanager
async def open_outside(settings: Settings) -> AsyncIterator[Outside]:
    """Open the clients, and close them at the end."""
    timeout_s = settings.provider_timeout_s
    async with AsyncExitStack() as stack:

        async def http(base_url: str, timeout_s: float) -> aiohttp.ClientSession:
            client = open_http_client(
                base_url, timeout_s=timeout_s, connections_max=settings.max_concurrent_activities
            )
            return await stack.enter_async_context(client)

        inquiry_url = settings.mail_inquiry_url
        yield Outside(
            gateway=HttpPaymentGateway(
                await http(settings.gateway_url, settings.gateway_timeout_s)
            ),
            bank=HttpPayoutBank(await http(settings.bank_url, settings.bank_timeout_s)),
            scorer=HttpFraudScorer(await http(settings.fraud_scorer_url, timeout_s)),
            mail=SmtpMailSender(
                settings.mail_host,
                settings.mail_port,
                timeout_s=timeout_s,
                inquiry=await http(inquiry_url, timeout_s) if inquiry_url else None,
            ),
            sms=HttpSmsSender(await http(settings.sms_url, timeout_s)),
            registries={
                tld: HttpDomainRegistry(await http(url, settings.registry_timeout_s), tld)
                for tld, url in settings.registry_urls.items()
            },
        )
