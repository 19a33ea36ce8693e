"""`perdure payload-keys`: the keys that encrypt what Temporal keeps."""

from typing import Annotated

import typer

from perdure.cli.output import Output, OutputFormat, out, print_json, print_table
from perdure.cli.session import open_session, run
from perdure.config import Settings
from perdure.core.errors import ConfigurationError
from perdure.durable.payloads.ring import KeyRing
from perdure.durable.payloads.rotation import masters_in_use, rewrap
from perdure.durable.payloads.settings import KEYS, PayloadSettings, new_master

app = typer.Typer(no_args_is_help=True)


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="Its id, as 2026-11: no other key has it, ever.")],
) -> None:
    """Make a master key, and print it as PERDURE_PAYLOAD_KEYS has it. It is kept nowhere."""
    out.print(new_master(name))


@app.command("list")
def list_all(output: Output = OutputFormat.TEXT) -> None:
    """List the master keys that are set, and those that wrap something."""
    ring, used = _ring(), run(_in_use())
    rows = [
        {
            "id": name,
            "is_set": name in ring.names,
            "wraps_new_ones": name == ring.current,
            "is_in_use": name in used,
        }
        for name in dict.fromkeys([*ring.names, *used])
    ]
    if output == OutputFormat.JSON:
        print_json(rows)
        return
    print_table(("ID", "SET", "WRAPS NEW ONES", "IN USE"), [tuple(row.values()) for row in rows])


@app.command("rewrap")
def rewrap_all() -> None:
    """Wrap all customers' keys with the first master key; the others can then be taken out."""
    ring = _ring()
    out.print(f"{run(_rewrap(ring))} keys are wrapped with {ring.current} now; all are.")


def _ring() -> KeyRing:
    keys = Settings.load().of(PayloadSettings).keys
    if not keys:
        raise ConfigurationError(
            f"{KEYS} is not set: nothing is encrypted. `perdure payload-keys new` makes a key.",
            param=KEYS,
        )
    return KeyRing(keys)


async def _in_use() -> list[str]:
    async with open_session() as platform:
        return await masters_in_use(platform.pool)


async def _rewrap(ring: KeyRing) -> int:
    async with open_session() as platform:
        return await rewrap(platform.pool, ring)
