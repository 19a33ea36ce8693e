"""`perdure up`: the whole platform on one machine, until Ctrl-C."""

import asyncio
import json
import os
import shlex
import shutil
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final

import httpx
import typer

from perdure.api.keys import create_key, find_key
from perdure.api.scopes import ADMIN
from perdure.bootstrap import Platform
from perdure.capabilities import attribute, installed
from perdure.capability.declaration import Capability
from perdure.capability.engine_flags import engine_flags
from perdure.capability.recurring import declared
from perdure.cli.environment import DATA_DIR, DATA_DIR_DEFAULT, DataFolder, write_private
from perdure.cli.machine import Machine, Report, run_machine
from perdure.cli.output import out
from perdure.cli.ports import PortBase
from perdure.cli.preload import preload
from perdure.cli.session import open_session, run
from perdure.cli.wallets import open_customer_account, pay_in
from perdure.cli.who_answers import described, who_answers
from perdure.config import Settings
from perdure.core.errors import ConfigurationError, Unauthenticated
from perdure.core.identity import Identity
from perdure.durable.schedules.converging import Schedules
from perdure.ledger.model import AccountStatus
from perdure.legacy.ways import legacy_ways
from perdure.outside import uses
from perdure.worker.plans import ALL, queues_of
from perdure.worker.readiness import wait_for_workers

DEMO_CUSTOMER: Final = "cus_demo"
_TOLD_EVERY_S: Final = 30.0
_POLL_S: Final = 0.1
_DEMO_CURRENCY: Final = "USD"
_DEMO_DEPOSIT_MINOR: Final = 10_000_000

DataDirOption = Annotated[
    Path | None,
    typer.Option(
        help=f"Keeps everything; {DATA_DIR_DEFAULT} where neither this nor a setting says."
    ),
]
Workers = Annotated[
    int, typer.Option(min=1, max=32, help="Processes that carry operations forward.")
]

Simulators = Annotated[
    bool, typer.Option(help="Simulate the outside systems that nothing is set for.")
]

Legacy = Annotated[
    bool,
    typer.Option(
        "--legacy", help="Run the system before this one too: Redis, Celery's workers and beat."
    ),
]


def up(
    data_dir: DataDirOption = None,
    workers: Workers = 2,
    port_base: PortBase = None,
    simulators: Simulators = True,
    legacy: Legacy = False,
) -> None:
    """Run the whole platform on this machine, until Ctrl-C.

    PostgreSQL and Temporal are started unless DATABASE_URL and TEMPORAL_ADDRESS are set, each
    outside system is simulated unless its URL or its class is. Started again on its folder, it goes
    on.
    """
    for use in uses(Settings.load()):
        use.load()  # a worker that cannot would be started again and again
    if legacy:
        for way in legacy_ways().values():
            attribute(way.worker)  # says what has to be installed
    preload()
    folder = DataFolder(data_dir or Path(os.environ[DATA_DIR]))
    run(_up(folder, workers, port_base, simulators=simulators, legacy=legacy))


async def _up(
    folder: DataFolder, workers: int, port_base: int | None, *, simulators: bool, legacy: bool
) -> None:
    say(f"Starting on {folder.path}; each process's log is in {folder.logs_path}.")
    async with run_machine(
        folder,
        workers=workers,
        port_base=port_base,
        simulators=simulators,
        legacy=legacy,
        report=say,
    ) as machine:
        await machine.unless_stopped(lambda: _begin(machine, legacy=legacy))
        await machine.supervisor.run_until_signalled()
        say("Ending; what is under way goes on at the next start.")
    say("Ended.")


async def _begin(machine: Machine, *, legacy: bool) -> None:
    async with open_session() as platform:
        await until_it_works(machine, platform, say)
        await greet(machine, platform)
    if legacy:
        flags = ", ".join(sorted(set(engine_flags().values())))
        say(
            f"\nThe system before this one runs too. What is new goes as the flags say ({flags}):"
            "\n\nperdure flags default FLAG legacy --reason …\nperdure legacy status"
        )
    say("\nRunning; Ctrl-C ends it, and `perdure up` goes on where it ended.")


def say(message: str) -> None:
    """Tell the person at the terminal what happens."""
    out.print(message)


async def until_it_works(machine: Machine, platform: Platform, tell: Report) -> None:
    """Wait until workers poll every queue, and every simulator that runs here answers.

    Raises:
        ConfigurationError: Another program answers in a simulator's place.
    """
    queues = [platform.queues[queue] for queue in queues_of(ALL, platform.kinds)]
    while missing := await wait_for_workers(platform.client, queues, timeout_s=_TOLD_EVERY_S):
        tell(f"Waiting: no worker polls {', '.join(missing)} yet. {_logs(machine)}")
    await check_who_answers(machine, tell)


async def check_who_answers(machine: Machine, tell: Report) -> None:
    """Wait until every simulator that runs here answers.

    Raises:
        ConfigurationError: Another program answers in its place.
    """
    for one in machine.simulators:
        await _until_answered(machine, one.identity, one.url, tell)


async def _until_answered(machine: Machine, identity: Identity, url: str, tell: Report) -> None:
    told_at_s = time.monotonic()
    while True:
        try:
            found = await who_answers(url)
        except httpx.HTTPError:
            if time.monotonic() - told_at_s > _TOLD_EVERY_S:
                told_at_s = time.monotonic()
                tell(f"Waiting: the simulator {identity.kind} does not answer. {_logs(machine)}")
            await asyncio.sleep(_POLL_S)
            continue
        if found != identity:
            raise ConfigurationError(
                f"{described(found).capitalize()} answers at {url}, and not {described(identity)}."
                " End that program, or choose other ports with --port-base."
            )
        return


def _logs(machine: Machine) -> str:
    return f"The logs are in {machine.folder.logs_path}."


async def greet(machine: Machine, platform: Platform) -> None:
    """Make what a first look needs, and say where everything is."""
    await ensure_api_key(machine.folder, platform)
    await Schedules(platform.client, platform.queues).apply(declared(platform.settings))
    say(f"\nAPI           {machine.api_url}   guide: {machine.api_url}/docs")
    say(f"Console       {machine.api_url}/console")
    if machine.temporal_ui_url:
        say(f"Temporal      {machine.temporal_ui_url}")
    say(f"API key       in {machine.folder.api_key_path}")
    say(f"Metrics       of each process, for Prometheus: {machine.folder.metrics_path}")
    kind = next(one for one in installed().values() if one.example)
    if machine.database_is_embedded:
        line = await request_line(machine, platform, kind)
        say(f"\nMake {kind.a_name.lower()}:\n\n{line}")
    else:
        # A database of somebody's own is given no made-up customer.
        say(f"\nOpen an account:\n\n{account_line(machine)}")
    # As it can be typed: where the environment is not activated, by its path.
    command = "perdure" if shutil.which("perdure") else shlex.quote(sys.argv[0])
    if machine.folder.path.resolve() != DATA_DIR_DEFAULT.resolve():
        command += f" --data-dir {shlex.quote(str(machine.folder.path))}"
    say(f"\nand look at it:\n\n{command} {kind.plural} list")


async def ensure_api_key(folder: DataFolder, platform: Platform) -> None:
    """See that the folder holds a secret that works."""
    path = folder.api_key_path
    if path.is_file():
        try:
            await find_key(platform.pool, path.read_text().strip())
        except Unauthenticated:
            pass
        else:
            return
    _, secret = await create_key(platform.pool, "first", [ADMIN])
    write_private(path, f"{secret}\n")


async def ensure_demo_account(platform: Platform) -> str:
    """Return an account with money on it to pay from."""
    async with platform.pool.acquire() as connection:
        found = await platform.ledger.list_accounts(
            connection, customer_id=DEMO_CUSTOMER, limit=100
        )
    open_ones = [account.id for account in found if account.status == AccountStatus.OPEN]
    if open_ones:
        account_id = open_ones[-1]
    else:
        opened = await open_customer_account(platform, DEMO_CUSTOMER, _DEMO_CURRENCY, "Demo wallet")
        account_id = opened.id
    # The reference makes it one deposit, however often this runs.
    await pay_in(platform, account_id, _DEMO_DEPOSIT_MINOR, "demo")
    return account_id


async def request_line(machine: Machine, platform: Platform, kind: Capability) -> str:
    """Return a command that asks for one of a kind, from an account that has money."""
    assert kind.example is not None
    account = {
        "customer_id": DEMO_CUSTOMER,
        "account_id": await ensure_demo_account(platform),
    }
    asked = attribute(kind.example)(platform.settings)
    return _curl(machine, f"/v1/{kind.plural}", account | asked)


def account_line(machine: Machine) -> str:
    """Return a command that opens an account."""
    body = {"customer_id": "cus_1", "currency": _DEMO_CURRENCY, "name": "Wallet"}
    return _curl(machine, "/v1/accounts", body)


def _curl(machine: Machine, path: str, body: Mapping[str, object]) -> str:
    key = shlex.quote(str(machine.folder.api_key_path))
    return (
        f"curl -sS {machine.api_url}{path} \\\n"
        f'  -H "Authorization: Bearer $(cat {key})" \\\n'
        '  -H "Content-Type: application/json" -H "Idempotency-Key: $(date +%s%N)" \\\n'
        f"  -d {shlex.quote(json.dumps(body))}"
    )
