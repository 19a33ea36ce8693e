"""Taking erasures in: refused while something of the customer is open, or money is left.

From the commit on that stores one, nothing more is taken in for the customer.
"""

from collections.abc import Sequence
from typing import Final

from perdure.capabilities import installed
from perdure.capability.traces import Traces
from perdure.core.errors import Conflict, NotFound
from perdure.core.ids import new_id
from perdure.core.text import check_identifier
from perdure.erasures.contracts import ID_PREFIX, KIND, ErasureInput, ErasureRequest
from perdure.ledger.store import LedgerStore
from perdure.operations import store
from perdure.operations.correction import Corrects, read_request
from perdure.operations.model import HOUSE, By, NewOperation, Operation
from perdure.operations.steps import to_json
from perdure.storage.pool import Connection

_TOLD_MAX: Final = 10
"""How many of what is left are named."""


class ErasureAcceptance(Corrects[ErasureRequest]):
    """Stores erasures; see `KindActions`.

    Args:
        traces: What kinds keep of customers beside the operations that are theirs alone.
    """

    request_type = ErasureRequest

    def __init__(self, ledger: LedgerStore[Connection], traces: Sequence[Traces]) -> None:
        self._ledger = ledger
        self._traces = traces

    async def accept(self, connection: Connection, customer_id: str, by: By) -> Operation:
        """Store the erasure of a customer; asked for again, it is the stored one.

        Raises:
            NotFound: `customer_not_found`: there is nothing of theirs.
            Conflict: `operations_open`, `money_left`, `kind_not_installed`,
                `operation_exported`; names which.
            InvalidInput: `reason_required`, or the customer's id is none.
        """
        by.check()
        customer_id = check_identifier("customer_id", customer_id)
        new = NewOperation(
            erasure_id := new_id(ID_PREFIX),
            KIND,
            # What is the customer's own is about to be encrypted with a key that is gone.
            HOUSE,
            to_json(ErasureInput(erasure_id, ErasureRequest(customer_id))),
        )
        # Who asks at the same time waits for this one, and finds it.
        known = await connection.fetchval(
            "INSERT INTO erased_customers AS known (customer_id, operation_id) VALUES ($1, $2)"
            " ON CONFLICT (customer_id) DO UPDATE SET operation_id = known.operation_id"
            " RETURNING operation_id",
            customer_id,
            new.id,
        )
        if known != new.id:
            return await store.get(connection, known)
        await check_known(connection, customer_id)
        await check_nothing_left(connection, self._ledger, self._traces, customer_id)
        operation = await store.accept(connection, new, actor=by.actor)
        await store.note(
            connection, operation, actor=by.actor, action="erasure_requested", reason=by.reason
        )
        return operation

    async def accept_again(
        self,
        connection: Connection,
        operation: Operation,
        *,
        actor: str,
        lane: int | None = None,  # noqa: ARG002 - they have none
    ) -> Operation:
        """Store a new erasure in place of one that was called off; as `accept`."""
        asked = read_request(ErasureRequest, operation.input["request"])
        return await self.accept(connection, asked.customer_id, By(actor, "It is done again."))


async def check_known(connection: Connection, customer_id: str) -> None:
    """Refuse a customer of whom there is nothing.

    Raises:
        NotFound: `customer_not_found`.
    """
    if not await connection.fetchval(
        "SELECT EXISTS (SELECT FROM profiles WHERE customer_id = $1)"
        " OR EXISTS (SELECT FROM ledger_accounts WHERE customer_id = $1)"
        " OR EXISTS (SELECT FROM operations WHERE customer_id = $1)",
        customer_id,
    ):
        raise NotFound(
            f"There is no customer {customer_id}.", code="customer_not_found", param="customer_id"
        )


async def check_nothing_left(
    connection: Connection,
    ledger: LedgerStore[Connection],
    traces: Sequence[Traces],
    customer_id: str,
) -> None:
    """Refuse a customer of whom something is open, or who has money here.

    Raises:
        Conflict: `operations_open`, `money_left`, `kind_not_installed`,
            `operation_exported`; names which.
    """
    kinds = await connection.fetch(
        "SELECT DISTINCT kind FROM operations WHERE customer_id = $1", customer_id
    )
    if unknown := [row["kind"] for row in kinds if row["kind"] not in installed()]:
        raise Conflict(
            f"{customer_id} has operations of kinds that are not installed, so nobody knows what"
            f" of them is personal: {', '.join(unknown)}.",
            code="kind_not_installed",
            param="customer_id",
        )
    exported = await connection.fetch(
        "SELECT DISTINCT month FROM operations JOIN archive_exports"
        " ON month = archive_month(finished_at) WHERE customer_id = $1 AND NOT EXISTS"
        " (SELECT FROM operation_trail WHERE operation_id = operations.id)",
        customer_id,
    )
    if exported:
        months = ", ".join(f"{row['month']:%Y-%m}" for row in exported)
        raise Conflict(
            f"What is known of operations of {customer_id} was exported with {months}; have it"
            " loaded again (`perdure archive load`), and try again.",
            code="operation_exported",
            param="customer_id",
        )
    rows = await connection.fetch(
        "SELECT id FROM operations WHERE customer_id = $1 AND finished_at IS NULL LIMIT $2",
        customer_id,
        _TOLD_MAX,
    )
    found = [row["id"] for row in rows]
    for each in traces:
        found += await each.left_open(connection, customer_id)
    if found:
        raise Conflict(
            f"{customer_id} has something under way; have it end first:"
            f" {', '.join(found[:_TOLD_MAX])}.",
            code="operations_open",
            param="customer_id",
        )
    accounts = await ledger.accounts_with_balances(
        connection, await account_ids(connection, customer_id)
    )
    if left := [
        account_id
        for account_id, (_, balance) in accounts.items()
        if balance.posted_minor or balance.debits_pending_minor or balance.credits_pending_minor
    ]:
        raise Conflict(
            f"{customer_id} has money here; pay it out first: {', '.join(left[:_TOLD_MAX])}.",
            code="money_left",
            param="customer_id",
        )


async def account_ids(connection: Connection, customer_id: str) -> set[str]:
    """Return the ids of a customer's accounts: of what is owed, not of what is only mirrored."""
    rows = await connection.fetch(
        "SELECT id FROM ledger_accounts WHERE customer_id = $1 AND kind = 'liability'", customer_id
    )
    return {row["id"] for row in rows}
