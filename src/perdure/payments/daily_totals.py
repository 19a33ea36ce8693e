"""What a customer paid on a day: counted when held, taken off again when undone."""

from datetime import date

from perdure.core.errors import LimitExceeded
from perdure.core.money import format_amount
from perdure.payments.contracts import PaymentRequest
from perdure.storage.pool import Connection


async def count(
    connection: Connection, request: PaymentRequest, day: date, *, limit_minor: int
) -> None:
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
            " WHERE total.amount_minor + excluded.amount_minor <= $5 RETURNING amount_minor",
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


async def take_off(connection: Connection, request: PaymentRequest, day: date) -> None:
    """Take an undone payment off the day it was counted on."""
    await connection.execute(
        "UPDATE payment_daily_totals SET amount_minor = amount_minor - $4"
        " WHERE customer_id = $1 AND currency = $2 AND day = $3",
        request.customer_id,
        request.currency,
        day,
        request.amount_minor,
    )
