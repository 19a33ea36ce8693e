"""One simulator as a process."""

import asyncio
import signal
from contextlib import AbstractAsyncContextManager

import structlog

from perdure.simulators.bank import BankSettings, open_bank
from perdure.simulators.fraud_scorer import FraudScorerSettings, open_fraud_scorer
from perdure.simulators.gateway import open_gateway
from perdure.simulators.gateway_processing import GatewaySettings
from perdure.simulators.mail import MailPorts, MailSettings, open_mail
from perdure.simulators.registry import RegistriesSettings, open_registries
from perdure.simulators.sms import SmsSettings, open_sms

log = structlog.get_logger()

SimulatorSettings = (
    GatewaySettings
    | FraudScorerSettings
    | MailSettings
    | SmsSettings
    | BankSettings
    | RegistriesSettings
)


def open_simulator(
    settings: SimulatorSettings,
) -> AbstractAsyncContextManager[int | MailPorts | dict[str, int]]:
    """Run the simulator that the settings are for while the context is open; yields its ports.

    Raises:
        ConfigurationError: A port is taken, or the data directory is in use.
    """
    match settings:
        case GatewaySettings():
            return open_gateway(settings)
        case FraudScorerSettings():
            return open_fraud_scorer(settings)
        case MailSettings():
            return open_mail(settings)
        case SmsSettings():
            return open_sms(settings)
        case BankSettings():
            return open_bank(settings)
        case RegistriesSettings():
            return open_registries(settings)


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
