"""One simulator as a process."""

import asyncio
import signal
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

import structlog

from perdure.simulators.bank import BankSettings, open_bank
from perdure.simulators.fraud_scorer import FraudScorerSettings, open_fraud_scorer
from perdure.simulators.gateway import open_gateway
from perdure.simulators.gateway_processing import GatewaySettings
from perdure.simulators.mail import MailPorts, MailSettings, open_mail
from perdure.simulators.registry import RegistriesSettings, open_registries
from perdure.simulators.sms import SmsSettings, open_sms
from perdure.simulators.stripe import StripeSettings, open_stripe

log = structlog.get_logger()

SimulatorSettings = (
    GatewaySettings
    | FraudScorerSettings
    | MailSettings
    | SmsSettings
    | BankSettings
    | RegistriesSettings
    | StripeSettings
)


_OPENS: Final[Mapping[type, Callable[[Any], AbstractAsyncContextManager[Any]]]] = {
    GatewaySettings: open_gateway,
    FraudScorerSettings: open_fraud_scorer,
    MailSettings: open_mail,
    SmsSettings: open_sms,
    BankSettings: open_bank,
    RegistriesSettings: open_registries,
    StripeSettings: lambda settings: open_stripe(settings.gateway),
}


def open_simulator(
    settings: SimulatorSettings,
) -> AbstractAsyncContextManager[int | MailPorts | dict[str, int]]:
    """Run the simulator that the settings are for while the context is open; yields its ports.

    Raises:
        ConfigurationError: A port is taken, or the data directory is in use.
    """
    return _OPENS[type(settings)](settings)


async def run_simulator(settings: SimulatorSettings) -> None:
    """Run the simulator that the settings are for until SIGTERM or SIGINT.

    Raises:
        ConfigurationError: A port is taken, or the data directory is in use.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    name = type(settings).__name__.removesuffix("Settings")
    async with open_simulator(settings) as port:
        log.info("simulator_started", simulator=name, port=port)
        await stop.wait()
    log.info("simulator_stopped", simulator=name)
