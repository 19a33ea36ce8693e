"""Taking in operations that a customer's account pays for: refused at once, or stored.

What is stored is certain to reach an end.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol, TypeVar

from perdure.core.clock import Clock, utc_now
from perdure.core.errors import InsufficientFunds, InvalidInput, NotFound, PerdureError, Refused
from perdure.core.ids import new_id
from perdure.core.money import format_amount
from perdure.ledger.model import Account, AccountKind, AccountStatus, Balance
from perdure.ledger.store import LedgerStore
from perdure.operations.acceptance import (
    Acceptance,
    accept_many,
    by_reference,
    check_deadline,
    is_same,
    named,
)
from perdure.operations.correction import Correction, correct, read_request
from perdure.operations.model import NewOperation, Operation
from perdure.operations.steps import to_json
from perdure.operations.store import reference_taken
from perdure.storage.pool import Connection


class OwnedRequest(Protocol):
    """Who asks, and which account pays."""

    @property
    def customer_id(self) -> str: ...  # noqa: D102
    @property
    def account_id(self) -> str: ...  # noqa: D102


class FundedRequest(OwnedRequest, Protocol):
    """What is asked for, as far as its money goes; fields as in the capabilities' requests."""

    @property
    def amount_minor(self) -> int: ...  # noqa: D102
    @property
    def currency(self) -> str: ...  # noqa: D102
    @property
    def reference(self) -> str | None: ...  # noqa: D102


Request = TypeVar("Request", bound=FundedRequest)


async def check_account(
    connection: Connection,
    ledger: LedgerStore[Connection],
    request: OwnedRequest,
    *,
    currency: str,
    verb: str,
) -> None:
    """Refuse an account that is not the customer's, or cannot pay in this currency.

    Args:
        verb: What the customer wants to do, for the messages: `pay`, `transfer`.

    Raises:
        NotFound: `account_not_found`, also for another customer's account.
        Refused: `account_not_open`.
        InvalidInput: `currency_mismatch`.
    """
    account = await ledger.get_account(connection, request.account_id)
    _check_account(account, request, currency, verb)


def check_can_pay(account: Account | None, request: OwnedRequest) -> Account:
    """Return an account if it is the customer's and open; its currency and funds are not looked at.

    Raises:
        NotFound: `account_not_found`, also for another customer's account.
        Refused: `account_not_open`.
    """
    if (
        account is None
        or account.customer_id != request.customer_id
        or account.kind != AccountKind.LIABILITY
    ):
        raise NotFound(
            f"Customer {request.customer_id} has no account {request.account_id}.",
            code="account_not_found",
            param="account_id",
        )
    if account.status != AccountStatus.OPEN:
        raise Refused(
            f"Account {account.id} is {account.status}; use one that is open.",
            code="account_not_open",
            param="account_id",
        )
    return account


def _check_account(found: Account | None, request: OwnedRequest, currency: str, verb: str) -> None:
    account = check_can_pay(found, request)
    if account.currency != currency:
        raise InvalidInput(
            f"Account {account.id} is in {account.currency}; {verb} in it, or from another"
            " account.",
            code="currency_mismatch",
            param="currency",
        )


def _check_funds(balance: Balance, request: FundedRequest, verb: str) -> None:
    if balance.available_minor < request.amount_minor:
        available = format_amount(balance.available_minor, request.currency)
        raise InsufficientFunds(
            f"Account {request.account_id} has {available} available;"
            f" {verb} less, or pay in first.",
            param="amount_minor",
        )


class FundedAcceptance(Acceptance[Request]):
    """Validates one kind of operation and stores what may begin.

    Args:
        kind: As in `operations.kind`.
        id_prefix: The first part of its ids.
        verb: What the customer wants to do, for the messages: `pay`, `transfer`.
        check_request: Returns a request as it is kept; refuses one that can never become an
            operation.
        check_limits: Refuses one that is over the house's limits as they are now.
        request_type: The type of the requests, to read them back.
        input_of: Returns the workflow's input, given the operation's id.
        correctable: As in `KindActions`.
    """

    def __init__(
        self,
        ledger: LedgerStore[Connection],
        *,
        kind: str,
        id_prefix: str,
        verb: str,
        check_request: Callable[[Request], Request],
        check_limits: Callable[[Request], None],
        request_type: type[Request],
        input_of: Callable[[str, Request], Any],
        correctable: Mapping[str, str | None],
        clock: Clock = utc_now,
    ) -> None:
        self._ledger = ledger
        self._kind = kind
        self._id_prefix = id_prefix
        self._verb = verb
        self._check_request = check_request
        self._check_limits = check_limits
        self._request_type = request_type
        self._input_of = input_of
        self._correctable = correctable
        self._clock = clock

    async def accept_many(
        self,
        connection: Connection,
        requests: Sequence[Request],
        *,
        actor: str,
        metadata: dict[str, str] | None = None,
        lanes: Sequence[int | None] | None = None,
        deadline_at: datetime | None = None,
    ) -> list[Operation | PerdureError]:
        """Store operations; returns what became of each, in their order: stored, or why not.

        Args:
            lanes: Which lane carries each out; None: a workflow of its own.
            deadline_at: As in `accept`; of all.

        An operation is refused with

        - `InvalidInput`, `LimitExceeded`: the request itself; see the capability's `rules`. Or
          `deadline_passed`;
        - `NotFound`, `Refused`: the account; see `check_account`;
        - `InsufficientFunds`: it does not cover the amount now;
        - `IdempotencyMismatch`: the reference is taken by another operation of the kind.

        One that is known by its reference is the stored one, whatever would be said of it now.
        """
        accounts = await self._ledger.accounts_with_balances(
            connection, {request.account_id for request in requests}
        )
        names = [named(request) for request in requests]
        known = await by_reference(connection, self._kind, {name for name in names if name})
        outcomes: dict[int, Operation | PerdureError] = {}
        new: dict[int, NewOperation] = {}
        for number, (request, name) in enumerate(zip(requests, names, strict=True)):
            try:
                if name in known:
                    outcomes[number] = self._known(known[name], request)
                    continue
                kept = self._check_request(request)
                self._check_limits(kept)
                check_deadline(deadline_at, self._clock())
                account, balance = accounts.get(kept.account_id, (None, None))
                _check_account(account, kept, kept.currency, self._verb)
                if balance is not None:
                    _check_funds(balance, kept, self._verb)
            except PerdureError as error:
                outcomes[number] = error
                continue
            lane = lanes[number] if lanes else None
            new[number] = self._new_operation(kept, metadata or {}, lane, deadline_at)
        stored = await accept_many(connection, list(new.values()), actor=actor)
        outcomes |= zip(new, stored, strict=True)
        return [outcomes[number] for number in range(len(requests))]

    def _known(self, operation: Operation, request: Request) -> Operation:
        """Return the operation that has a request's reference, if it was asked for with it.

        Raises:
            InvalidInput: It was not, nor could any be.
            IdempotencyMismatch: It was asked for with another.
        """
        if is_same(operation, request, self._check_request) or is_same(
            operation, self._check_request(request), self._check_request
        ):
            return operation
        raise reference_taken(operation)

    @property
    def correctable(self) -> Mapping[str, str | None]:
        """The request's fields that can be corrected; as in `KindActions`."""
        return self._correctable

    def correct(self, operation: Operation, patch: Mapping[str, Any]) -> Correction:
        """Return the operation's request with a patch.

        Raises:
            InvalidInput: The patch, or the request it makes; names the field.
        """
        return correct(
            operation.input["request"],
            patch,
            self._correctable,
            self._request_type,
            self._check_request,
        )

    async def accept_again(
        self, connection: Connection, operation: Operation, *, actor: str, lane: int | None = None
    ) -> Operation:
        """Store a new operation with the request of one that failed; as `accept`.

        It has no deadline; as in `KindActions`, it has no reference yet.
        """
        request = read_request(self._request_type, operation.input["request"] | {"reference": None})
        return await self.accept(
            connection, request, actor=actor, metadata=operation.metadata, lane=lane
        )

    def _new_operation(
        self,
        request: Request,
        metadata: dict[str, str],
        lane: int | None,
        deadline_at: datetime | None,
    ) -> NewOperation:
        operation_id = new_id(self._id_prefix)
        return NewOperation(
            id=operation_id,
            kind=self._kind,
            customer_id=request.customer_id,
            input=to_json(self._input_of(operation_id, request)),
            reference=request.reference,
            metadata=metadata,
            lane=lane,
            deadline_at=deadline_at,
        )
