"""`perdure api`, `worker`, `simulate …` and `migrate`: one process of the platform each."""

import logging
import sys
from pathlib import Path
from typing import Annotated

import structlog
import typer

from perdure.api.main import run_api
from perdure.cli.environment import DataFolder
from perdure.cli.output import out
from perdure.cli.session import run
from perdure.config import Settings
from perdure.simulators.fraud_scorer import FraudScorerSettings
from perdure.simulators.gateway_behaviour import Chance
from perdure.simulators.gateway_processing import GatewaySettings
from perdure.simulators.mail import MailSettings
from perdure.simulators.main import SimulatorSettings, run_simulator
from perdure.simulators.sms import SmsSettings
from perdure.storage.migrate import migrate as run_migrations
from perdure.storage.migrate import missing_migrations
from perdure.worker.main import run_worker

simulate = typer.Typer(
    help="Outside systems as servers, with faults on demand.", no_args_is_help=True
)

DataDir = Annotated[
    Path | None, typer.Option(help="Where its books are kept; by default in the data folder.")
]
Host = Annotated[str, typer.Option(help="The address to listen at.")]


def configure_logging() -> None:
    """Have this process log one JSON object a line, on stderr."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, force=True)


def api() -> None:
    """Serve the API until SIGTERM or Ctrl-C."""
    configure_logging()
    run(run_api(Settings.load()))


def worker(
    role: Annotated[
        str, typer.Option(help="operations, fraud, notifications, providers, or all.")
    ] = "all",
) -> None:
    """Run a worker until SIGTERM or Ctrl-C, then finish what it holds."""
    configure_logging()
    run(run_worker(Settings.load(), role))


def migrate() -> None:
    """Bring the database to this version's tables; harmless to repeat."""
    applied = run(_migrate(Settings.load().require_database_url()))
    out.print(f"Applied: {', '.join(applied)}" if applied else "Nothing to apply.")


async def _migrate(database_url: str) -> list[str]:
    missing = await missing_migrations(database_url)
    await run_migrations(database_url)
    return missing


@simulate.command()
def gateway(
    *,
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option()] = 8101,
    data_dir: DataDir = None,
    idempotent: Annotated[
        bool, typer.Option(help="Take the same reference again as the same charge.")
    ] = False,
    confirm_delay_s: Annotated[float, typer.Option(help="How long a charge stays pending.")] = 0.2,
    slow_s: Annotated[float, typer.Option(help="How long a slow answer takes.")] = 2.0,
    late_callback_s: Annotated[float, typer.Option(help="How late a late callback is.")] = 30.0,
    fault_rate: Annotated[float, typer.Option(min=0, max=1, help="What part goes wrong.")] = 0.0,
    fault_seed: Annotated[int, typer.Option(help="Makes the choice of what goes wrong.")] = 0,
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
            chance=Chance(fault_rate, fault_seed),
        )
    )


@simulate.command("fraud-scorer")
def fraud_scorer(
    *,
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option()] = 8102,
    delay_s: Annotated[float, typer.Option(help="How long a judgement takes.")] = 0.05,
    slow_s: Annotated[float, typer.Option(help="How long a slow one takes.")] = 2.0,
) -> None:
    """Run a fraud scorer."""
    _serve(FraudScorerSettings(host=host, port=port, delay_s=delay_s, slow_s=slow_s))


@simulate.command()
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


@simulate.command()
def sms(
    *,
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option()] = 8104,
    data_dir: DataDir = None,
) -> None:
    """Run an SMS provider."""
    _serve(SmsSettings(data_dir=data_dir or _books(Settings.load()), host=host, port=port))


def _books(settings: Settings) -> Path:
    return settings.data_dir / "simulators"


def _serve(settings: SimulatorSettings) -> None:
    configure_logging()
    run(run_simulator(settings))
