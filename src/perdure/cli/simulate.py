"""`perdure simulate …`: one outside system each, as a server.

`perdure up` runs this module by itself: simulators need little of what the other commands import.
"""

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from perdure.cli.environment import DataFolder
from perdure.cli.event_loop import run_lasting
from perdure.cli.logs import configure_logging
from perdure.config import Settings
from perdure.simulators.bank import BankSettings
from perdure.simulators.bank_behaviour import Fault as BankFault
from perdure.simulators.faults import Chance
from perdure.simulators.fraud_scorer import FraudScorerSettings
from perdure.simulators.gateway_behaviour import Fault as GatewayFault
from perdure.simulators.gateway_processing import GatewaySettings
from perdure.simulators.mail import MailSettings
from perdure.simulators.main import SimulatorSettings, run_simulator
from perdure.simulators.registry import GRACE_S, RegistriesSettings, RegistrySettings
from perdure.simulators.registry_admission import RegistryLimits
from perdure.simulators.sms import SmsSettings
from perdure.simulators.stripe import StripeSettings

app = typer.Typer(
    help="Outside systems as servers, with faults on demand.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

DataDir = Annotated[
    Path | None, typer.Option(help="Where its books are kept; by default in the data folder.")
]
Host = Annotated[str, typer.Option(help="The address to listen at.")]
SlowS = Annotated[float, typer.Option(help="How long a slow answer takes.")]
FaultRate = Annotated[float, typer.Option(min=0, max=1, help="What part goes wrong.")]
FaultSeed = Annotated[int, typer.Option(help="Makes the choice of what goes wrong.")]


@app.command()
def gateway(
    *,
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option()] = 8101,
    data_dir: DataDir = None,
    idempotent: Annotated[
        bool, typer.Option(help="Take the same reference again as the same charge.")
    ] = False,
    confirm_delay_s: Annotated[float, typer.Option(help="How long a charge stays pending.")] = 0.2,
    slow_s: SlowS = 2.0,
    late_callback_s: Annotated[float, typer.Option(help="How late a late callback is.")] = 30.0,
    fault_rate: FaultRate = 0.0,
    fault_seed: FaultSeed = 0,
) -> None:
    """Run a payment gateway that confirms by signed callbacks."""
    settings = Settings.load()
    secrets = [secret.get_secret_value() for secret in settings.gateway_callback_secrets]
    secret = secrets[0] if secrets else DataFolder(settings.data_dir).callback_secret()
    _serve(
        GatewaySettings(
            data_dir=data_dir or _books(settings),
            callback_secret=secret,
            host=host,
            port=port,
            callback_url=settings.gateway_callback_url,
            idempotent=idempotent,
            confirm_delay_s=confirm_delay_s,
            slow_s=slow_s,
            late_callback_s=late_callback_s,
            chance=Chance(fault_rate, fault_seed, tuple(GatewayFault)),
        )
    )


@app.command()
def stripe(
    *,
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option()] = 8109,
    data_dir: DataDir = None,
    confirm_delay_s: Annotated[
        float, typer.Option(help="How long what is no card stays pending.")
    ] = 0.2,
    slow_s: SlowS = 2.0,
    fault_rate: FaultRate = 0.0,
    fault_seed: FaultSeed = 0,
) -> None:
    """Run a Stripe, as far as PERDURE_GATEWAY=stripe asks it; its webhooks are signed."""
    settings = Settings.load()
    _serve(
        StripeSettings(
            GatewaySettings(
                data_dir=data_dir or _books(settings),
                callback_secret=DataFolder(settings.data_dir).callback_secret(),
                host=host,
                port=port,
                callback_url=settings.gateway_callback_url,
                confirm_delay_s=confirm_delay_s,
                slow_s=slow_s,
                chance=Chance(fault_rate, fault_seed, tuple(GatewayFault)),
            )
        )
    )


@app.command("fraud-scorer")
def fraud_scorer(
    *,
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option()] = 8102,
    delay_s: Annotated[float, typer.Option(help="How long a judgement takes.")] = 0.05,
    slow_s: Annotated[float, typer.Option(help="How long a slow one takes.")] = 2.0,
) -> None:
    """Run a fraud scorer."""
    _serve(FraudScorerSettings(host=host, port=port, delay_s=delay_s, slow_s=slow_s))


@app.command()
def mail(
    *,
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Of the inquiry over HTTP.")] = 8103,
    smtp_port: Annotated[int, typer.Option()] = 8125,
    data_dir: DataDir = None,
) -> None:
    """Run a mail server that can be asked what it took."""
    books = data_dir or _books(Settings.load())
    _serve(MailSettings(data_dir=books, host=host, port=port, smtp_port=smtp_port))


@app.command()
def sms(
    *,
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option()] = 8104,
    data_dir: DataDir = None,
) -> None:
    """Run an SMS provider."""
    _serve(SmsSettings(data_dir=data_dir or _books(Settings.load()), host=host, port=port))


@app.command()
def bank(
    *,
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option()] = 8105,
    data_dir: DataDir = None,
    idempotent: Annotated[
        bool, typer.Option(help="Take the same reference again as the same payout.")
    ] = False,
    slow_s: SlowS = 2.0,
    fault_rate: FaultRate = 0.0,
    fault_seed: FaultSeed = 0,
) -> None:
    """Run a bank that pays out and takes back."""
    _serve(
        BankSettings(
            data_dir=data_dir or _books(Settings.load()),
            host=host,
            port=port,
            idempotent=idempotent,
            slow_s=slow_s,
            chance=Chance(fault_rate, fault_seed, tuple(BankFault)),
        )
    )


@app.command()
def registry(
    *,
    tld: Annotated[str, typer.Option(help="Whose domains it has: info, fr or com.")],
    host: Host = "127.0.0.1",
    port: Annotated[int | None, typer.Option(help="By default the TLD's: 8106 to 8108.")] = None,
    data_dir: DataDir = None,
    requests_per_s: Annotated[
        float | None, typer.Option(min=0, help="By default the TLD's; 0: no limit.")
    ] = None,
    at_once: Annotated[
        int | None, typer.Option(min=0, help="By default the TLD's; 0: no limit.")
    ] = None,
    latency_s: Annotated[float, typer.Option(min=0, help="An answer's time, on average.")] = 0.0,
    grace_s: Annotated[
        float, typer.Option(min=0, help="How long a renewal can be taken back.")
    ] = GRACE_S,
    day: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="The registry's day at its first start."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Makes the domains' dates and the latencies.")] = 0,
    slow_s: SlowS = 2.0,
    fault_rate: FaultRate = 0.0,
    fault_seed: FaultSeed = 0,
) -> None:
    """Run the registry of one TLD, with its limits."""
    usual = RegistrySettings.of(tld, data_dir or _books(Settings.load()))
    limits = RegistryLimits(
        usual.limits.requests_per_s if requests_per_s is None else requests_per_s,
        usual.limits.at_once if at_once is None else at_once,
        latency_s,
    )
    chosen = replace(
        usual,
        host=host,
        port=usual.port if port is None else port,
        limits=limits,
        grace_s=grace_s,
        day=day.date() if day else None,
        seed=seed,
        slow_s=slow_s,
        chance=Chance(fault_rate, fault_seed, tuple(BankFault)),
    )
    _serve(RegistriesSettings((chosen,)))


@app.command()
def registries(
    *,
    host: Host = "127.0.0.1",
    info_port: Annotated[int, typer.Option()] = 8106,
    fr_port: Annotated[int, typer.Option()] = 8107,
    com_port: Annotated[int, typer.Option()] = 8108,
    data_dir: DataDir = None,
    unlimited: Annotated[bool, typer.Option(help="Lift all limits.")] = False,
    without: Annotated[
        list[str] | None, typer.Option(help="A TLD to leave out; any number of times.")
    ] = None,
) -> None:
    """Run the registries of info, fr and com in one process."""
    books = data_dir or _books(Settings.load())
    ports = {"info": info_port, "fr": fr_port, "com": com_port}
    chosen = [
        replace(RegistrySettings.of(tld, books), host=host, port=port)
        for tld, port in ports.items()
        if tld not in (without or ())
    ]
    if unlimited:
        chosen = [replace(settings, limits=RegistryLimits()) for settings in chosen]
    _serve(RegistriesSettings(tuple(chosen)))


def _books(settings: Settings) -> Path:
    return settings.data_dir / "simulators"


def _serve(settings: SimulatorSettings) -> None:
    configure_logging()
    run_lasting(run_simulator(settings))


if __name__ == "__main__":
    app()
