"""What `perdure migrate` sees to beside the migrations, as it is declared: by kinds, and here."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

CUSTOMER: Final = "(SELECT perdure_customer_id())"
"""The customer that asks, in a condition: in parentheses, it is asked for once a statement."""


@dataclass(frozen=True, slots=True)
class CustomersRows:
    """Which rows of a table are a customer's.

    Args:
        where: The condition of a row that the customer sees; it says `CUSTOMER`.
        check: That of one that is written in the customer's name; None: the same.
        writes: How they are written in the customer's name.
    """

    table: str
    where: str = f"customer_id = {CUSTOMER}"
    check: str | None = None
    writes: tuple[Literal["INSERT", "UPDATE", "DELETE"], ...] = ()


@dataclass(frozen=True, slots=True)
class Declared:
    """What kinds of operation have in the database beside their tables.

    Args:
        indexes: Of tables that may be large: what each is on, by its name; see
            `storage/indexes.py`.
        rows: Which are customers' own, by the kinds' names; see `storage/row_policies.py`.
    """

    indexes: Mapping[str, str]
    rows: Mapping[str, tuple[CustomersRows, ...]]
