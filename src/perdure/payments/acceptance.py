"""Taking a payment in: refused at once, or stored and certain to reach an end."""

from perdure.core.errors import InsufficientFunds, InvalidInput, NotFound, Refused
from perdure.core.ids import new_id
from perdure.core.money import format_amount
from perdure.ledger.model import AccountKind, AccountStatus
from perdure.ledger.store import LedgerStore
from perdure.operations import store
from perdure.operations.model import NewOperation, Operation
from perdure.operations.steps import to_json
from perdure.payments.contracts import (
    ID_PREFIX,
    KIND,
    PaymentInput,
    PaymentOptions,
    PaymentRequest,
)
from perdure.payments.rules import PaymentLimits, check_request
from perdure.storage.pool import Connection


async def check_account(
    connection: Connection, ledger: LedgerStore[Connection], request: PaymentRequest
) -> None:
    """Refuse a payment from an account that is not the customer's, or cannot pay in this currency.

    Raises:
        NotFound: `account_not_found`, also for another customer's account.
        Refused: `account_not_open`.
        InvalidInput: `currency_mismatch`.
    """
    account = await ledger.get_account(connection, request.account_id)
    if account.customer_id != request.customer_id or account.kind != AccountKind.LIABILITY:
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
            f"Account {account.id} is in {account.currency}; pay in it, or from another account.",
            code="currency_mismatch",
            param="currency",
        )


class PaymentAcceptance:
    """Validates payments and stores those that may begin.

    Args:
        limits: The house's limits.
        callback_timeout_s: How long the gateway's confirmation is waited for, in seconds.
    """

    def __init__(
        self,
        ledger: LedgerStore[Connection],
        limits: PaymentLimits,
        *,
        callback_timeout_s: float = 300.0,
    ) -> None:
        self._ledger = ledger
        self._limits = limits
        self._options = PaymentOptions(callback_timeout_s, limits.daily_limit_minor)

    async def accept(
        self,
        connection: Connection,
        request: PaymentRequest,
        *,
        actor: str,
        metadata: dict[str, str] | None = None,
    ) -> Operation:
        """Store a payment as `pending`; the same reference again returns the stored one.

        Raises:
            InvalidInput, LimitExceeded: The request itself; see `rules.check_request`.
            NotFound, Refused: The account; see `check_account`.
            InsufficientFunds: It does not cover the amount now.
            IdempotencyMismatch: The reference is taken by another payment.
        """
        check_request(request, self._limits)
        operation_id = new_id(ID_PREFIX)
        new = NewOperation(
            id=operation_id,
            kind=KIND,
            customer_id=request.customer_id,
            input=to_json(PaymentInput(operation_id, request, self._options)),
            reference=request.reference,
            metadata=metadata or {},
        )
        if not await store.is_known(connection, new):
            await check_account(connection, self._ledger, request)
            await self._check_funds(connection, request)
        return await store.accept(connection, new, actor=actor)

    async def _check_funds(self, connection: Connection, request: PaymentRequest) -> None:
        balance = await self._ledger.balance(connection, request.account_id)
        if balance.available_minor < request.amount_minor:
            available = format_amount(balance.available_minor, request.currency)
            raise InsufficientFunds(
                f"Account {request.account_id} has {available} available;"
                " pay less, or pay in first.",
                param="amount_minor",
            )
