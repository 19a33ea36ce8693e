"""Taking in operations that a customer's account pays for: refused at once, or stored.

What is stored is certain to reach an end.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from perdure.core.clock import Clock, utc_now
from perdure.core.errors import InsufficientFunds, InvalidInput, NotFound, Refused
from perdure.core.money import format_amount
from perdure.ledger.model import Account, AccountKind, AccountStatus, Balance
from perdure.ledger.store import LedgerStore
from perdure.operations.request_acceptance import RequestAcceptance
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


class FundedAcceptance(RequestAcceptance[Request]):
    """Validates one kind of operation and stores what may begin; see `RequestAcceptance`.

    Args:
        verb: What the customer wants to do, for the messages: `pay`, `transfer`.
        check_limits: Refuses one that is over the house's limits as they are now.
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
        super().__init__(
            kind=kind,
            id_prefix=id_prefix,
            check_request=check_request,
            request_type=request_type,
            input_of=input_of,
            correctable=correctable,
            clock=clock,
        )
        self._ledger = ledger
        self._verb = verb
        self._check_limits = check_limits

    async def look(
        self, connection: Connection, requests: Sequence[Request]
    ) -> Callable[[Request], None]:
        """Look at the accounts that pay.

        What it returns refuses a request with `LimitExceeded`; with `NotFound` or `Refused` for its
        account, see `check_account`; with `InsufficientFunds`, which does not cover it now.
        """
        accounts = await self._ledger.accounts_with_balances(
            connection, {request.account_id for request in requests}
        )

        def refuse(request: Request) -> None:
            self._check_limits(request)
            account, balance = accounts.get(request.account_id, (None, None))
            _check_account(account, request, request.currency, self._verb)
            if balance is not None:
                _check_funds(balance, request, self._verb)

        return refuse
