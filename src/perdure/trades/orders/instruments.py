"""What is traded: each asset's currency and fee, and what its orders have to keep to."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import asyncpg

from perdure.core.errors import Conflict, InvalidInput, NotFound
from perdure.core.money import check_currency
from perdure.storage.pool import Connection, Pool
from perdure.trades.book.commands import (
    PRICE_MAX_MINOR,
    QUANTITY_MAX_LOTS,
    ChangeInstrument,
    Instrument,
)

FEE_BASIS_POINTS_MAX: Final = 5_000
"""A seller gets at least half of the price."""
ASSET_LENGTH_MAX: Final = 40


@dataclass(frozen=True, slots=True)
class Listed:
    """An asset that is traded.

    Args:
        sequence: Of the last command of its journal.
    """

    asset: str
    currency: str
    fee_basis_points: int
    instrument: Instrument
    is_halted: bool
    sequence: int
    trade_number: int
    created_at: datetime


_COLUMNS: Final = (
    "asset, currency, fee_basis_points, tick_minor, price_low_minor, price_high_minor,"
    " quantity_max_lots, is_halted, sequence, trade_number, created_at"
)


async def list_instruments(pool: Pool | Connection) -> list[Listed]:
    """Return all assets that are traded."""
    return [_listed(row) for row in await pool.fetch(_ALL)]


async def instruments_by_asset(
    connection: Pool | Connection, assets: Collection[str]
) -> dict[str, Listed]:
    """Return those there are of these."""
    rows = await connection.fetch(_OF_ASSETS, list(assets))
    return {row["asset"]: _listed(row) for row in rows}


async def get_instrument(pool: Pool | Connection, asset: str) -> Listed:
    """Return one.

    Raises:
        NotFound: `asset_not_found`.
    """
    found = (await instruments_by_asset(pool, [asset])).get(asset)
    if found is None:
        raise NotFound(f"{asset} is not traded here.", code="asset_not_found", param="asset")
    return found


async def list_asset(
    connection: Connection, asset: str, *, currency: str, fee_basis_points: int
) -> None:
    """Have an asset be traded; its fee holds for orders that come in from here on.

    What orders have to keep to, its book is told.

    Raises:
        InvalidInput: `invalid_fee`, `unknown_currency`.
        Conflict: `currency_fixed`.
    """
    if not 0 <= fee_basis_points <= FEE_BASIS_POINTS_MAX:
        raise InvalidInput(
            f"A fee is 0 to {FEE_BASIS_POINTS_MAX} basis points.",
            code="invalid_fee",
            param="fee_basis_points",
        )
    kept = await connection.fetchval(
        "INSERT INTO instruments (asset, currency, fee_basis_points, tick_minor, price_low_minor,"
        " price_high_minor, quantity_max_lots) VALUES ($1, $2, $3, $4, $5, $6, $7)"
        " ON CONFLICT (asset) DO UPDATE SET fee_basis_points = excluded.fee_basis_points"
        " RETURNING currency",
        asset,
        check_currency(currency),
        fee_basis_points,
        *Instrument(),
    )
    if kept != currency:
        raise Conflict(
            f"{asset} is traded in {kept}, and that stays so.",
            code="currency_fixed",
            param="currency",
        )


def check_change(change: ChangeInstrument) -> ChangeInstrument:
    """Return what a book is to be told; refuse what makes no sense.

    Raises:
        InvalidInput: `invalid_instrument`.
    """
    tick, low, high, quantity_max = change
    if not (
        0 < tick <= PRICE_MAX_MINOR
        and 0 < low <= high <= PRICE_MAX_MINOR
        and 0 < quantity_max <= QUANTITY_MAX_LOTS
    ):
        raise InvalidInput(
            f"Prices are 1 to {PRICE_MAX_MINOR} minor units, the lowest not above the highest, and"
            f" quantities 1 to {QUANTITY_MAX_LOTS} lots.",
            code="invalid_instrument",
        )
    return change


def _listed(row: "asyncpg.Record") -> Listed:
    asset, currency, fee, *fields, is_halted, sequence, trade_number, created_at = row.values()
    return Listed(
        asset, currency, fee, Instrument(*fields), is_halted, sequence, trade_number, created_at
    )


_ALL: Final = f"SELECT {_COLUMNS} FROM instruments ORDER BY asset"
_OF_ASSETS: Final = f"SELECT {_COLUMNS} FROM instruments WHERE asset = ANY($1)"
