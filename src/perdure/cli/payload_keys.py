"""`perdure payload-keys`: the keys that encrypt what Temporal keeps."""

from dataclasses import asdict
from typing import Annotated

import typer

from perdure.cli.output import (
    Output,
    OutputFormat,
    out,
    print_json,
    print_json_list,
    print_table,
)
from perdure.cli.session import open_session, run
from perdure.codec_server.decoding import Decode, decodes
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


@app.command("decodes")
def list_decodes(
    *,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 50,
    output: Output = OutputFormat.TEXT,
) -> None:
    """List who had what decoded by the codec server, the latest first."""
    found = run(_decodes(limit))
    if output == OutputFormat.JSON:
        print_json_list([asdict(one) for one in found])
        return
    print_table(
        ("AT", "WHO", "NAMESPACE", "#PAYLOADS", "#UNREADABLE", "WHOSE"),
        [
            (one.at, one.actor, one.namespace, one.payloads, one.unreadable, " ".join(one.owners))
            for one in found
        ],
    )


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


async def _decodes(limit: int) -> list[Decode]:
    async with open_session() as platform:
        return await decodes(platform.pool, limit=limit)


async def _rewrap(ring: KeyRing) -> int:
    async with open_session() as platform:
        return await rewrap(platform.pool, ring)
