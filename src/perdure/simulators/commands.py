"""The commands of `perdure simulate` that run Perdure's own simulators, each with its options."""

import os
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer
from pydantic import SecretStr
from pydantic_settings import SettingsConfigDict

from perdure.cli.environment import DATA_DIR, DATA_DIR_DEFAULT, DataFolder
from perdure.core.settings import EnvironmentSettings
from perdure.simulators.aggregator import (
    CLIENT_PER_MINUTE,
    ITEM_PER_MINUTE,
    AggregatorSettings,
    open_aggregator,
)
from perdure.simulators.aggregator import Fault as AggregatorFault
from perdure.simulators.bank import BankSettings, open_bank
from perdure.simulators.bank_behaviour import Fault as BankFault
from perdure.simulators.faults import Chance
from perdure.simulators.fraud_scorer import FraudScorerSettings, open_fraud_scorer
from perdure.simulators.gateway import open_gateway
from perdure.simulators.gateway_behaviour import Fault as GatewayFault
from perdure.simulators.gateway_processing import GatewaySettings
from perdure.simulators.identity import IdentitySettings, open_identity
from perdure.simulators.journal import books_folder
from perdure.simulators.mail import MailSettings, open_mail
from perdure.simulators.registry import (
    GRACE_S,
    RegistriesSettings,
    RegistrySettings,
    open_registries,
)
from perdure.simulators.registry_admission import RegistryLimits
from perdure.simulators.sms import SmsSettings, open_sms
from perdure.simulators.stripe import open_stripe

Server = AbstractAsyncContextManager[object]

DataDir = Annotated[
    Path | None, typer.Option(help="Where its books are kept; by default in the data folder.")
]
Host = Annotated[str, typer.Option(help="The address to listen at.")]
SlowS = Annotated[float, typer.Option(help="How long a slow answer takes.")]
FaultRate = Annotated[float, typer.Option(min=0, max=1, help="What part goes wrong.")]
FaultSeed = Annotated[int, typer.Option(help="Makes the choice of what goes wrong.")]


class _Callbacks(EnvironmentSettings):
    """How whoever calls back is told to tell us; as its own client reads it."""

    model_config = SettingsConfigDict(env_prefix="PERDURE_GATEWAY_")

    callback_url: str = "http://127.0.0.1:8080/v1/callbacks/gateway"
    callback_secrets: list[SecretStr] = []  # noqa: RUF012 - pydantic copies it

    @property
    def first_secret(self) -> str | None:
        """The secret that signs; None: nobody gave one."""
        return next((secret.get_secret_value() for secret in self.callback_secrets), None)

    @property
    def hosts(self) -> tuple[str, ...]:
        """Where callbacks may go besides this machine: where they are told to."""
        return (urlsplit(self.callback_url).hostname or "",)


class _AggregatorCallbacks(EnvironmentSettings):
    """Where items tell us at that were linked without a token of ours."""

    model_config = SettingsConfigDict(env_prefix="PERDURE_AGGREGATOR_")

    callback_url: str = "http://127.0.0.1:8080/v1/callbacks/aggregator"


def _own_secret() -> str:
    folder = Path(os.environ.get(DATA_DIR) or DATA_DIR_DEFAULT)
    return DataFolder(folder).callback_secret()


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
) -> Server:
    """Run a payment gateway that confirms by signed callbacks."""
    told = _Callbacks.read()
    return open_gateway(
        GatewaySettings(
            data_dir=books_folder(data_dir),
            callback_secret=told.first_secret or _own_secret(),
            host=host,
            port=port,
            callback_url=told.callback_url,
            callback_hosts=told.hosts,
            idempotent=idempotent,
            confirm_delay_s=confirm_delay_s,
            slow_s=slow_s,
            late_callback_s=late_callback_s,
            chance=Chance(fault_rate, fault_seed, tuple(GatewayFault)),
        )
    )


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
) -> Server:
    """Run a Stripe, as far as PERDURE_GATEWAY=stripe asks it; its webhooks are signed."""
    return open_stripe(
        GatewaySettings(
            data_dir=books_folder(data_dir),
            callback_secret=_own_secret(),
            host=host,
            port=port,
            callback_url=_Callbacks.read().callback_url,
            confirm_delay_s=confirm_delay_s,
            slow_s=slow_s,
            chance=Chance(fault_rate, fault_seed, tuple(GatewayFault)),
        )
    )


def fraud_scorer(
    *,
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option()] = 8102,
    delay_s: Annotated[float, typer.Option(help="How long a judgement takes.")] = 0.05,
    slow_s: Annotated[float, typer.Option(help="How long a slow one takes.")] = 2.0,
) -> Server:
    """Run a fraud scorer."""
    return open_fraud_scorer(
        FraudScorerSettings(host=host, port=port, delay_s=delay_s, slow_s=slow_s)
    )


def identity(
    *,
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option()] = 8120,
    data_dir: DataDir = None,
    step_s: Annotated[float, typer.Option(help="How long a check stands as it does.")] = 0.2,
    lapse_s: Annotated[float, typer.Option(help="How long an approval holds that lapses.")] = 60.0,
) -> Server:
    """Run a verifier of identities that decides by itself, or as its desk is told."""
    told = _Callbacks.read(prefix="PERDURE_IDENTITY_")
    return open_identity(
        IdentitySettings(
            data_dir=books_folder(data_dir),
            callback_secret=told.first_secret or _own_secret(),
            callback_hosts=told.hosts,
            host=host,
            port=port,
            step_s=step_s,
            lapse_s=lapse_s,
        )
    )


def mail(
    *,
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Of the inquiry over HTTP.")] = 8103,
    smtp_port: Annotated[int, typer.Option()] = 8125,
    data_dir: DataDir = None,
) -> Server:
    """Run a mail server that can be asked what it took."""
    return open_mail(
        MailSettings(data_dir=books_folder(data_dir), host=host, port=port, smtp_port=smtp_port)
    )


def sms(
    *,
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option()] = 8104,
    data_dir: DataDir = None,
) -> Server:
    """Run an SMS provider."""
    return open_sms(SmsSettings(data_dir=books_folder(data_dir), host=host, port=port))


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
) -> Server:
    """Run a bank that pays out and takes back."""
    return open_bank(
        BankSettings(
            data_dir=books_folder(data_dir),
            host=host,
            port=port,
            idempotent=idempotent,
            slow_s=slow_s,
            chance=Chance(fault_rate, fault_seed, tuple(BankFault)),
        )
    )


def aggregator(
    *,
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option()] = 8112,
    data_dir: DataDir = None,
    item_per_minute: Annotated[
        int, typer.Option(min=0, help="How many pages of one item are told; 0: no limit.")
    ] = ITEM_PER_MINUTE,
    client_per_minute: Annotated[
        int, typer.Option(min=0, help="How many of all items; 0: no limit.")
    ] = CLIENT_PER_MINUTE,
    fault_rate: FaultRate = 0.0,
    fault_seed: FaultSeed = 0,
) -> Server:
    """Run a bank aggregator that speaks as Plaid does; its webhooks are signed."""
    return open_aggregator(
        AggregatorSettings(
            data_dir=books_folder(data_dir),
            host=host,
            port=port,
            item_per_minute=item_per_minute,
            client_per_minute=client_per_minute,
            webhook=_AggregatorCallbacks.read().callback_url,
            chance=Chance(fault_rate, fault_seed, tuple(AggregatorFault)),
        )
    )


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
) -> Server:
    """Run the registry of one TLD, with its limits."""
    usual = RegistrySettings.of(tld, books_folder(data_dir))
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
    return open_registries(RegistriesSettings((chosen,)))


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
) -> Server:
    """Run the registries of info, fr and com in one process."""
    books = books_folder(data_dir)
    ports = {"info": info_port, "fr": fr_port, "com": com_port}
    chosen = [
        replace(RegistrySettings.of(tld, books), host=host, port=port)
        for tld, port in ports.items()
        if tld not in (without or ())
    ]
    if unlimited:
        chosen = [replace(settings, limits=RegistryLimits()) for settings in chosen]
    return open_registries(RegistriesSettings(tuple(chosen)))
