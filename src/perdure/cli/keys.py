"""`perdure keys`: API keys."""

from typing import Annotated, Any

import typer

from perdure.api.keys import ApiKey, create_key, list_keys, revoke_key
from perdure.api.scopes import Role
from perdure.cli.output import (
    Output,
    OutputFormat,
    out,
    print_fields,
    print_json,
    print_json_list,
    print_table,
)
from perdure.cli.session import open_session, run

app = typer.Typer(help="API keys.", no_args_is_help=True)


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="How trails call what it does.")],
    scope: Annotated[
        list[str] | None,
        typer.Option(help="What it may do, as operations:read or admin; repeatable."),
    ] = None,
    role: Annotated[
        Role | None, typer.Option(help="What one of the house's people may do, by its name.")
    ] = None,
    customer: Annotated[
        str | None, typer.Option(help="The one customer it sees; otherwise all.")
    ] = None,
    output: Output = OutputFormat.TEXT,
) -> None:
    """Make a key. Its secret is shown this once."""
    key, secret = run(_create(name, scope or [], role, customer))
    if output == OutputFormat.JSON:
        print_json(_as_json(key) | {"secret": secret})
        return
    print_fields(_as_json(key) | {"secret": secret})
    out.print("Keep the secret: it is not stored, and cannot be shown again.")


async def _create(
    name: str, scopes: list[str], role: Role | None, customer: str | None
) -> tuple[ApiKey, str]:
    async with open_session() as platform:
        return await create_key(platform.pool, name, scopes, customer, role=role)


@app.command("list")
def list_all(output: Output = OutputFormat.TEXT) -> None:
    """List keys, also those that were revoked."""
    keys = run(_list())
    if output == OutputFormat.JSON:
        print_json_list([_as_json(key) for key in keys])
        return
    print_table(
        ("ID", "NAME", "SECRET", "ROLE", "SCOPES", "CUSTOMER", "CREATED", "REVOKED"),
        [
            (
                key.id,
                key.name,
                f"{key.prefix}…",
                key.role,
                " ".join(sorted(key.scopes)),
                key.customer_id,
                key.created_at,
                key.revoked_at,
            )
            for key in keys
        ],
    )


async def _list() -> list[ApiKey]:
    async with open_session() as platform:
        return await list_keys(platform.pool)


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(help="The key's id, key_….", metavar="ID")],
    output: Output = OutputFormat.TEXT,
) -> None:
    """Have a key work no more, from its next request on."""
    key = run(_revoke(key_id))
    if output == OutputFormat.JSON:
        print_json(_as_json(key))
        return
    out.print(f"{key.name} ({key.prefix}…) is revoked.")


async def _revoke(key_id: str) -> ApiKey:
    async with open_session() as platform:
        return await revoke_key(platform.pool, key_id)


def _as_json(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "prefix": key.prefix,
        "scopes": sorted(key.scopes),
        "role": key.role,
        "customer_id": key.customer_id,
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "revoked_at": key.revoked_at,
    }
