"""Taking transfers in: refused at once, or stored and certain to reach an end."""

from collections.abc import Mapping, Sequence

from perdure.core.errors import InsufficientFunds, InvalidInput, NotFound, PerdureError, Refused
from perdure.core.ids import new_id
from perdure.core.money import format_amount
from perdure.ledger.model import Account, AccountKind, AccountStatus, Balance
from perdure.ledger.store import LedgerStore
from perdure.operations.acceptance import accept_many, known_references
from perdure.operations.model import NewOperation, Operation
from perdure.operations.steps import to_json
from perdure.storage.pool import Connection
from perdure.transfers.contracts import ID_PREFIX, KIND, TransferInput, TransferRequest
from perdure.transfers.rules import TransferLimits, check_request


async def check_account(
    connection: Connection, ledger: LedgerStore[Connection], request: TransferRequest
) -> None:
    """Refuse a transfer from an account that is not the customer's, or cannot pay in this currency.

    Raises:
        NotFound: `account_not_found`, also for another customer's account.
        Refused: `account_not_open`.
        InvalidInput: `currency_mismatch`.
    """
    _check(await ledger.get_account(connection, request.account_id), request)


def _check(account: Account | None, request: TransferRequest) -> None:
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
    if account.currency != request.currency:
        raise InvalidInput(
            f"Account {account.id} is in {account.currency}; transfer in it, or from another"
            " account.",
            code="currency_mismatch",
            param="currency",
        )


def _check_funds(balance: Balance, request: TransferRequest) -> None:
    if balance.available_minor < request.amount_minor:
        available = format_amount(balance.available_minor, request.currency)
        raise InsufficientFunds(
            f"Account {request.account_id} has {available} available;"
            " transfer less, or pay in first.",
            param="amount_minor",
        )


class TransferAcceptance:
    """Validates transfers and stores those that may begin."""

    def __init__(self, ledger: LedgerStore[Connection], limits: TransferLimits) -> None:
        self._ledger = ledger
        self._limits = limits

    async def accept(
        self,
        connection: Connection,
        request: TransferRequest,
        *,
        actor: str,
        metadata: dict[str, str] | None = None,
        lane: int | None = None,
    ) -> Operation:
        """Store a transfer as `pending`; the same reference again returns the stored one.

        Args:
            lane: Which lane carries it out; None: a workflow of its own.

        Raises:
            InvalidInput, LimitExceeded: The request itself; see `rules.check_request`.
            NotFound, Refused: The account; see `check_account`.
            InsufficientFunds: It does not cover the amount now.
            IdempotencyMismatch: The reference is taken by another transfer.
        """
        (found,) = await self.accept_many(
            connection, [request], actor=actor, metadata=metadata, lanes=[lane]
        )
        if isinstance(found, PerdureError):
            raise found
        return found

    async def accept_many(
        self,
        connection: Connection,
        requests: Sequence[TransferRequest],
        *,
        actor: str,
        metadata: dict[str, str] | None = None,
        lanes: Sequence[int | None] | None = None,
    ) -> list[Operation | PerdureError]:
        """Store transfers; returns what became of each, in their order: stored, or why not.

        Args:
            lanes: Which lane carries each out; None: a workflow of its own.
        """
        accounts = await self._ledger.accounts_with_balances(
            connection, {request.account_id for request in requests}
        )
        named = [
            (request.customer_id, request.reference)
            for request in requests
            if request.reference is not None
        ]
        known = await known_references(connection, KIND, named) if named else set()
        refused: dict[int, PerdureError] = {}
        new: dict[int, NewOperation] = {}
        for number, request in enumerate(requests):
            try:
                check_request(request, self._limits)
                if (request.customer_id, request.reference) not in known:
                    self._check(accounts, request)
            except PerdureError as error:
                refused[number] = error
                continue
            lane = lanes[number] if lanes else None
            new[number] = _new_operation(request, metadata or {}, lane)
        stored = dict(
            zip(new, await accept_many(connection, list(new.values()), actor=actor), strict=True)
        )
        return [(refused | stored)[number] for number in range(len(requests))]

    def _check(
        self, accounts: Mapping[str, tuple[Account, Balance]], request: TransferRequest
    ) -> None:
        found = accounts.get(request.account_id)
        _check(found[0] if found else None, request)
        if found is not None:
            _check_funds(found[1], request)


def _new_operation(
    request: TransferRequest, metadata: dict[str, str], lane: int | None
) -> NewOperation:
    operation_id = new_id(ID_PREFIX)
    return NewOperation(
        id=operation_id,
        kind=KIND,
        customer_id=request.customer_id,
        input=to_json(TransferInput(operation_id, request)),
        reference=request.reference,
        metadata=metadata,
        lane=lane,
    )
