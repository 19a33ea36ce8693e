"""The ids of what an operation that an account pays for writes into the ledger."""

from perdure.core.ids import TRANSFER, derived_id


def hold_id(operation_id: str) -> str:
    """Return the id of an operation's hold in the ledger."""
    return derived_id(TRANSFER, operation_id, "hold")


def post_id(operation_id: str) -> str:
    """Return the id of the transfer that posts an operation's money."""
    return derived_id(TRANSFER, operation_id, "post")


def void_id(operation_id: str) -> str:
    """Return the id of the transfer that releases an operation's money."""
    return derived_id(TRANSFER, operation_id, "void")
