"""What trades have in the database beside their tables: what finds them, and whose they are."""

from typing import Final

from perdure.core.ids import ID_SUFFIX_LENGTH
from perdure.storage.declared import CUSTOMER, CustomersRows
from perdure.trades.contracts import KIND


def _said(name: str) -> str:
    """Return a field of a trade's request, as a part of a statement."""
    return f"(input #>> '{{request,{name}}}')"


INDEXES: Final = {
    f"operations_trade_{name}": f"operations ({_said(name)}, right(id, {ID_SUFFIX_LENGTH})"
    f""" COLLATE "C") WHERE kind = '{KIND}'"""
    for name in (
        "asset",
        "buyer_account_id",
        "buyer_customer_id",
        "seller_account_id",
        "seller_customer_id",
    )
}
"""By what they are about, and by either side."""

CUSTOMERS_ROWS: Final = (
    CustomersRows(
        "operations",
        f"kind = '{KIND}' AND ({_said('buyer_customer_id')} = {CUSTOMER}"
        f" OR {_said('seller_customer_id')} = {CUSTOMER})",
        check="false",
    ),
    CustomersRows("orders"),
)
"""A trade is the house's own, and either of its sides sees it."""
