"""Row-level security, brought to what is declared: a role for customers, and policies on tables.

It is seen to after the migrations, as the indexes are, so that a kind of another package declares
its own. What is as declared is not touched: a table is locked only where something of it changes.
"""

import asyncio
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, Final

import asyncpg
import structlog

from perdure.core.errors import ConfigurationError
from perdure.storage.declared import CustomersRows

log = structlog.get_logger()

_LOCK: Final = 7_265_317
"""Advisory lock held while something is changed, so that two processes take turns."""
_LOCK_TIMEOUT_S: Final = 2
"""How long a table's other users wait behind a change that waits for one of them."""
_AGAIN_S: Final = 1.0

_OF_ITS_OPERATION: Final = "EXISTS (SELECT FROM operations WHERE id = operation_id)"
"""Of those that who asks sees: a condition is put to what it reads from as well."""
_OF_EITHER_ACCOUNT: Final = (
    "EXISTS (SELECT FROM ledger_accounts WHERE id IN (debit_account_id, credit_account_id))"
)
_NOTHING_YET: Final = " AND ".join(
    f"{side}_{state}_minor = 0" for side in ("debits", "credits") for state in ("pending", "posted")
)

OWN: Final = (
    CustomersRows("operations", writes=("INSERT",)),
    # An entry of the trail is written in one statement with its operation, which the database does
    # not see until that is done; so is an account's balance.
    CustomersRows(
        "operation_trail", _OF_ITS_OPERATION, check="action = 'accepted'", writes=("INSERT",)
    ),
    CustomersRows("operation_steps", _OF_ITS_OPERATION),
    CustomersRows("archived_operations", _OF_ITS_OPERATION),
    CustomersRows("profiles"),
    CustomersRows("erased_customers"),
    CustomersRows("ledger_accounts", writes=("INSERT",)),
    CustomersRows(
        "ledger_balances",
        "EXISTS (SELECT FROM ledger_accounts WHERE id = account_id)",
        check=_NOTHING_YET,
        writes=("INSERT",),
    ),
    CustomersRows("ledger_transfers", _OF_EITHER_ACCOUNT),
    CustomersRows("ledger_tigerbeetle_owed", _OF_EITHER_ACCOUNT),
)
"""Those of what all kinds share; a kind has its own beside these (`Capability.customers_rows`)."""

_CUSTOMER_ID: Final = """
CREATE FUNCTION perdure_customer_id() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
RETURN nullif(current_setting('perdure.customer_id', true), '')
"""
_CUSTOMER_ROLE: Final = """
CREATE FUNCTION perdure_customer_role() RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN {name}
"""
_FUNCTIONS: Final = """
SELECT to_regprocedure('perdure_customer_id()') IS NOT NULL
    AND to_regprocedure('perdure_customer_role()') IS NOT NULL
"""
# Other databases of the server have other customers: each has a role of its own.
_NEW_ROLE: Final = "SELECT quote_literal(('perdure_customer_' || current_database())::name)"
_ROLE: Final = """
SELECT quote_ident(perdure_customer_role()) AS name, rolsuper OR rolbypassrls AS sees_all,
    current_user AS asks, quote_ident(current_schema()) AS schema,
    current_setting('server_version_num')::int >= 160000 AS is_granted_in_part
FROM (SELECT) AS one LEFT JOIN pg_roles ON rolname = perdure_customer_role()
"""
_MAY_BE_TAKEN: Final = "SELECT pg_has_role(perdure_customer_role(), $1)"

# Whose work is the house's: the owner's, and whose to whom something of the table was granted.
_HOUSE: Final = """
SELECT string_agg(quote_ident(rolname), ', ' ORDER BY rolname)
FROM pg_roles WHERE rolname <> perdure_customer_role() AND oid IN (
    SELECT relowner FROM pg_class WHERE oid = $1::regclass
    UNION SELECT (aclexplode(relacl)).grantee FROM pg_class WHERE oid = $1::regclass)
"""
_AS_IT_IS: Final = """
SELECT CASE WHEN relrowsecurity AND relforcerowsecurity
    THEN obj_description(pg_policy.oid, 'pg_policy') END
FROM pg_class LEFT JOIN pg_policy ON polrelid = pg_class.oid AND polname = 'house'
WHERE pg_class.oid = $1::regclass
"""
"""The digest of what a table was brought to."""

OfKinds = Mapping[str, tuple[CustomersRows, ...]]
"""Which rows are customers' own, by the kinds' plurals."""


async def protect(connection: "asyncpg.Connection[Any]", of_kinds: OfKinds) -> None:
    """Have each table that is declared show a customer its own rows alone.

    Args:
        connection: Without an open transaction.

    Raises:
        ConfigurationError: The database's user may not make the role; says what is to be run by
            one who may.
    """
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
        role = await _make_role(connection)
    for table, statements in (await _left_to_do(connection, role, of_kinds)).items():
        await _change(connection, table, statements)


async def unprotected(connection: Any, of_kinds: OfKinds) -> list[str]:
    """Return the tables that do not show a customer its own rows alone, as is declared."""
    if not await connection.fetchval(_FUNCTIONS):
        return [*_by_table(of_kinds)]
    role = (await connection.fetchrow(_ROLE))["name"]
    return [*await _left_to_do(connection, role, of_kinds)]


async def _make_role(connection: "asyncpg.Connection[Any]") -> str:
    """Return the role that customers' requests take, made where there is none, for a statement."""
    if not await connection.fetchval(_FUNCTIONS):
        name = await connection.fetchval(_NEW_ROLE)
        await connection.execute(_CUSTOMER_ID)
        await connection.execute(_CUSTOMER_ROLE.format(name=name))
    found = await connection.fetchrow(_ROLE)
    assert found is not None, "one row, whatever there is"
    role: str = found["name"]
    if found["sees_all"]:
        raise ConfigurationError(
            f"The role {role} sees all rows; have it be made anew: ALTER ROLE {role} NOSUPERUSER"
            " NOBYPASSRLS.",
            param="DATABASE_URL",
        )
    part = " WITH INHERIT FALSE, SET TRUE" if found["is_granted_in_part"] else ""
    make, give = f"CREATE ROLE {role} NOLOGIN", f"GRANT {role} TO {found['asks']}{part}"
    try:
        if found["sees_all"] is None:
            await connection.execute(make)
        taken_by = "SET" if found["is_granted_in_part"] else "MEMBER"
        if not await connection.fetchval(_MAY_BE_TAKEN, taken_by):
            await connection.execute(give)
    except asyncpg.InsufficientPrivilegeError as error:
        raise ConfigurationError(
            f"The database's user may not make the role that customers' requests take: {error}."
            f" Have one who may run this, and then `perdure migrate` again: {make}; {give};",
            param="DATABASE_URL",
        ) from error
    await connection.execute(f"GRANT USAGE ON SCHEMA {found['schema']} TO {role}")
    return role


async def _left_to_do(connection: Any, role: str, of_kinds: OfKinds) -> dict[str, list[str]]:
    """Return the statements that bring each table to what is declared, of those that are not."""
    found = {}
    for table, rows in _by_table(of_kinds).items():
        house = await connection.fetchval(_HOUSE, table)
        statements = _statements(table, rows, role, house)
        digest = sha256("\n".join(statements).encode()).hexdigest()
        if await connection.fetchval(_AS_IT_IS, table) != digest:
            found[table] = [*statements, f"COMMENT ON POLICY house ON {table} IS '{digest}'"]
    return found


def _by_table(of_kinds: OfKinds) -> dict[str, dict[str, CustomersRows]]:
    """Return what is declared of each table, by who declares it."""
    found: dict[str, dict[str, CustomersRows]] = {}
    for declarer, rows in {"house": OWN, **of_kinds}.items():
        for one in rows:
            found.setdefault(one.table, {})[declarer] = one
    return found


def _statements(table: str, rows: Mapping[str, CustomersRows], role: str, house: str) -> list[str]:
    verbs = sorted({"SELECT", *(verb for one in rows.values() for verb in one.writes)})
    made = [
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
        f"DROP POLICY IF EXISTS house ON {table}",
        f"CREATE POLICY house ON {table} TO {house} USING (true) WITH CHECK (true)",
        f"REVOKE ALL ON {table} FROM {role}",
        f"GRANT {', '.join(verbs)} ON {table} TO {role}",
    ]
    for declarer, one in rows.items():
        name = f"customer_of_{declarer}"
        conditions = f"USING ({one.where}) WITH CHECK ({one.check or one.where})"
        made += [
            f"DROP POLICY IF EXISTS {name} ON {table}",
            f"CREATE POLICY {name} ON {table} TO {role} {conditions}",
        ]
    return made


async def _change(
    connection: "asyncpg.Connection[Any]", table: str, statements: Sequence[str]
) -> None:
    """Run statements that lock a table, as soon as they are let in without a wait for others."""
    while True:
        try:
            async with connection.transaction():
                await connection.execute(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT_S}s'")
                await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
                for statement in statements:
                    await connection.execute(statement)
        except asyncpg.LockNotAvailableError:
            log.info("table_is_in_use", table=table)
            await asyncio.sleep(_AGAIN_S)
        else:
            return
