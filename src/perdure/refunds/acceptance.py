"""Taking refunds in: one for each operation, refused at once or stored.

What is refunded is locked while its refund is stored, and names it from then on: who asks again
finds it. A refund that came to nothing frees the place, unless the reason cannot change.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from perdure.core.errors import Conflict, Refused
from perdure.core.ids import new_id
from perdure.core.notes import correctable
from perdure.ledger.model import AccountStatus
from perdure.ledger.store import LedgerStore
from perdure.notifications.contracts import Party
from perdure.notifications.rules import check_party
from perdure.operations import store
from perdure.operations.correction import Corrects, read_request
from perdure.operations.model import By, NewOperation, Operation
from perdure.operations.refunding import RefundableKind, RefundTerms, why_not_refunded
from perdure.operations.steps import from_json, to_json
from perdure.refunds.contracts import ID_PREFIX, KIND, RefundInput, RefundRequest
from perdure.storage.pool import Connection

_CORRECTABLE: Final = correctable(RefundRequest)


class RefundAcceptance(Corrects[RefundRequest]):
    """Stores the refunds of operations that may have one.

    Args:
        kinds: What can be refunded.
    """

    request_type = RefundRequest
    correctable = _CORRECTABLE

    def __init__(self, ledger: LedgerStore[Connection], kinds: Iterable[RefundableKind]) -> None:
        self._ledger = ledger
        self._kinds = {kind.name: kind for kind in kinds}

    @property
    def kinds(self) -> Mapping[str, RefundableKind]:
        """The kinds that can be refunded, by name."""
        return self._kinds

    async def accept(self, connection: Connection, operation: Operation, by: By) -> Operation:
        """Store the refund of a locked operation that has none and may have one.

        Raises:
            Refused: `account_not_open`, or what the kind's own claim says.
            Conflict: As the kind's own claim says.
        """
        kind = self._kinds[operation.kind]
        terms = kind.terms(operation)
        await self._check_account(connection, terms)
        refund_id = new_id(ID_PREFIX)
        await kind.claim(connection, operation, refund_id)
        given = _input(refund_id, operation, kind, terms, by)
        await store.accept(
            connection,
            NewOperation(refund_id, KIND, operation.customer_id, to_json(given)),
            actor=by.actor,
        )
        await connection.execute(
            "WITH refund AS (UPDATE operations SET refund_of = $1 WHERE id = $2)"
            " UPDATE operations SET refunded_by = $2 WHERE id = $1",
            operation.id,
            refund_id,
        )
        await store.note(
            connection,
            operation,
            actor=by.actor,
            action="refund_requested",
            reason=by.reason,
            data=by.data | {"refund": refund_id},
        )
        refund = await store.get(connection, refund_id)
        await store.note(
            connection,
            refund,
            actor=by.actor,
            action="refund_accepted",
            reason=by.reason,
            data=by.data | {"refund_of": operation.id},
        )
        return refund

    def check_request(self, request: RefundRequest) -> RefundRequest:
        """Return the form a request is kept in; see `Corrects`."""
        return replace(request, customer=check_party("customer", request.customer))

    async def accept_again(
        self,
        connection: Connection,
        operation: Operation,
        *,
        actor: str,
        lane: int | None = None,  # noqa: ARG002 - refunds have none
    ) -> Operation:
        """Store a new refund in place of one that came to nothing; as `accept`.

        Raises:
            Conflict: What was to be refunded cannot be any more, or has another refund.
        """
        request = read_request(RefundRequest, operation.input["request"])
        refunded = await store.lock(connection, request.refund_of)
        if (refusal := why_not_refunded(refunded, self._kinds)) is not None:
            raise Conflict(f"{refunded.id}: {refusal.message}", code=refusal.code, param="id")
        if refunded.refunded_by is not None:
            raise Conflict(
                f"{refunded.id} has another refund by now, {refunded.refunded_by}.",
                code="already_refunded",
                param="id",
            )
        return await self.accept(connection, refunded, By(actor, request.reason))

    async def _check_account(self, connection: Connection, terms: RefundTerms) -> None:
        account = await self._ledger.get_account(connection, terms.account_id)
        if account.status != AccountStatus.OPEN:
            raise Refused(
                f"Account {account.id} is {account.status}, and takes no money; open it first.",
                code="account_not_open",
                param="id",
            )


def _input(
    refund_id: str, operation: Operation, kind: RefundableKind, terms: RefundTerms, by: By
) -> RefundInput:
    request = RefundRequest(
        customer_id=operation.customer_id,
        refund_of=operation.id,
        kind=operation.kind,
        account_id=terms.account_id,
        amount_minor=terms.amount_minor,
        currency=terms.currency,
        reason=by.reason,
        customer=from_json(Party, operation.input["request"].get(kind.told) or {}),
        reference=operation.reference,
    )
    return RefundInput(refund_id, request, terms.provider, terms.taken_by)
