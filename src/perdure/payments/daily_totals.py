"""What a customer paid on a day: counted when held, taken off again when undone."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Final, Protocol

from perdure.capability.funded import Funds
from perdure.core.clock import Clock
from perdure.core.errors import LimitExceeded
from perdure.core.money import format_amount
from perdure.storage.pool import Connection


class Counted(Protocol):
    """Who pays, and how much."""

    @property
    def customer_id(self) -> str: ...  # noqa: D102
    @property
    def amount_minor(self) -> int: ...  # noqa: D102
    @property
    def currency(self) -> str: ...  # noqa: D102


class DailyTotals:
    """Counts what is held on today; see `capability.funded.Counter`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def count(self, connection: Connection, funds: Funds) -> str | None:
        """Count a payment that has a limit; returns the day, as YYYY-MM-DD.

        Raises:
            LimitExceeded: `daily_limit_exceeded`; nothing is counted.
        """
        if funds.limit_minor is None:
            return None
        day = self._clock().date()
        await count(connection, funds, day, limit_minor=funds.limit_minor)
        return day.isoformat()

    async def count_many(
        self, connection: Connection, funds: Mapping[str, Funds]
    ) -> dict[str, str | None]:
        """Count those that have a limit and are within it; those without one are not counted."""
        day = self._clock().date()
        limited = {
            found: (one, one.limit_minor)
            for found, one in funds.items()
            if one.limit_minor is not None
        }
        counted = await count_many(connection, limited, day)
        return {
            found: day.isoformat() if found in counted else None
            for found in funds
            if found not in limited or found in counted
        }

    async def take_off(self, connection: Connection, counted: Sequence[tuple[Funds, str]]) -> None:
        """Take off again what was counted just now."""
        by_day: dict[str, list[Funds]] = {}
        for funds, day in counted:
            by_day.setdefault(day, []).append(funds)
        for day, of_day in by_day.items():
            await take_off_many(connection, of_day, date.fromisoformat(day))


async def count(connection: Connection, request: Counted, day: date, *, limit_minor: int) -> None:
    """Count a payment on a day; two of one customer take turns and keep the limit together.

    Raises:
        LimitExceeded: `daily_limit_exceeded`; nothing is counted.
    """
    row = None
    if request.amount_minor <= limit_minor:
        row = await connection.fetchrow(
            "INSERT INTO payment_daily_totals AS total (customer_id, currency, day, amount_minor)"
            " VALUES ($1, $2, $3, $4) ON CONFLICT (customer_id, currency, day) DO UPDATE"
            " SET amount_minor = total.amount_minor + excluded.amount_minor"
            # Not the sum against the limit, which may be more than the column holds.
            " WHERE excluded.amount_minor <= $5 - total.amount_minor RETURNING amount_minor",
            request.customer_id,
            request.currency,
            day,
            request.amount_minor,
            limit_minor,
        )
    if row is None:
        most = format_amount(limit_minor, request.currency)
        raise LimitExceeded(
            f"A customer pays at most {most} a day; try again tomorrow or ask for a higher limit.",
            code="daily_limit_exceeded",
            param="amount_minor",
        )


async def count_many(
    connection: Connection, limited: Mapping[str, tuple[Counted, int]], day: date
) -> frozenset[str]:
    """Count payments on a day in one statement, as `count` does one; returns which were counted.

    A customer's payments are counted together: where they do not all fit, none of them is, and
    `count` of each alone says which of them do.

    Args:
        limited: The request and the limit in minor units, by the payment's id; the ids that are
            returned are of these.
    """
    if not limited:
        return frozenset()
    requests = [request for request, _ in limited.values()]
    rows = await connection.fetch(
        _COUNT_MANY,
        [request.customer_id for request in requests],
        [request.currency for request in requests],
        [request.amount_minor for request in requests],
        [limit_minor for _, limit_minor in limited.values()],
        day,
    )
    counted = {(row["customer_id"], row["currency"]) for row in rows}
    return frozenset(
        found
        for found, (request, _) in limited.items()
        if (request.customer_id, request.currency) in counted
    )


# In one order, so that groups never wait for each other in a circle.
_COUNT_MANY: Final = """
WITH asked AS (
    SELECT customer_id, currency, sum(amount_minor) AS amount_minor, min(limit_minor) AS limit_minor
    FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[])
        AS payment (customer_id, currency, amount_minor, limit_minor)
    GROUP BY customer_id, currency
)
INSERT INTO payment_daily_totals AS total (customer_id, currency, day, amount_minor)
SELECT customer_id, currency, $5, amount_minor FROM asked WHERE amount_minor <= limit_minor
ORDER BY customer_id, currency
ON CONFLICT (customer_id, currency, day) DO UPDATE
SET amount_minor = total.amount_minor + excluded.amount_minor
WHERE excluded.amount_minor <= (SELECT limit_minor FROM asked
    WHERE (asked.customer_id, asked.currency) = (excluded.customer_id, excluded.currency))
    - total.amount_minor
RETURNING customer_id, currency
"""


async def take_off_many(connection: Connection, requests: Sequence[Counted], day: date) -> None:
    """Take payments off the day they were counted on."""
    if not requests:
        return
    await connection.execute(
        "UPDATE payment_daily_totals AS total SET amount_minor = total.amount_minor - undone.minor"
        " FROM (SELECT customer_id, currency, sum(amount_minor)::bigint AS minor"
        " FROM unnest($1::text[], $2::text[], $3::bigint[])"
        " AS payment (customer_id, currency, amount_minor) GROUP BY customer_id, currency"
        ") AS undone WHERE total.customer_id = undone.customer_id"
        " AND total.currency = undone.currency AND total.day = $4",
        [request.customer_id for request in requests],
        [request.currency for request in requests],
        [request.amount_minor for request in requests],
        day,
    )
