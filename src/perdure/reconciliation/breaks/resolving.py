"""A break resolved as a person has said, in one commit: matched, booked, or waited for."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from perdure.capability.contracts import End
from perdure.core.clock import utc_now
from perdure.core.errors import Conflict, InvalidInput, LimitExceeded
from perdure.core.ids import TRANSFER, derived_id
from perdure.core.money import AmountLimit, format_amount
from perdure.ledger.chart import SystemAccount, ensure_system_accounts, system_account_id
from perdure.ledger.model import NewTransfer, Side
from perdure.ledger.store import LedgerStore
from perdure.operations.model import Status
from perdure.operations.steps import StepTransaction, TransactionalSteps
from perdure.reconciliation.breaks import store
from perdure.reconciliation.breaks.model import (
    DISMISSED,
    SEEN,
    Break,
    How,
    Resolution,
    read_resolution,
)
from perdure.reconciliation.contracts import KIND, BreakInput
from perdure.reconciliation.matching.items import BreakClass, Match, Rule
from perdure.reconciliation.run.batches import match_items
from perdure.reconciliation.run.locks import lock_account
from perdure.storage.pool import Connection

_ENDS: Final = ("resolve", "close")
_BOOKS: Final = {How.BOOK: Rule.BOOKED, How.WRITE_OFF: Rule.WRITTEN_OFF}


@dataclass(frozen=True, slots=True)
class _OpenItem:
    key: str
    amount_minor: int
    currency: str


@dataclass(frozen=True, slots=True)
class _Sides:
    """What of a break is still open.

    Args:
        is_whole: Nothing of it was matched meanwhile.
    """

    ours: Sequence[_OpenItem]
    theirs: Sequence[_OpenItem]
    is_whole: bool

    @property
    def difference_minor(self) -> int:
        """What theirs comes to, less what ours does."""
        return _sum(self.theirs) - _sum(self.ours)

    @property
    def currencies(self) -> set[str]:
        """Those of all of it."""
        return {item.currency for item in (*self.ours, *self.theirs)}

    def match(self, rule: Rule) -> Match:
        """Return all of it as what belongs together."""
        return Match(
            rule, tuple(one.key for one in self.ours), tuple(one.key for one in self.theirs)
        )


def _sum(items: Sequence[_OpenItem]) -> int:
    return sum(item.amount_minor for item in items)


class BreakResolver:
    """Does the work of a break's steps.

    Args:
        excused_days: How long is waited, where nobody says.
        write_off: The most that one is written off for.
    """

    def __init__(
        self,
        steps: TransactionalSteps,
        ledger: LedgerStore[Connection],
        *,
        excused_days: int,
        write_off: AmountLimit,
    ) -> None:
        self._steps = steps
        self._ledger = ledger
        self._excused_days = excused_days
        self._write_off = write_off

    async def resolve(self, given: BreakInput) -> End:
        """Resolve a break as its request says.

        Raises:
            Conflict: `resolution_missing`: nobody has said how; `break_changed`.
            InvalidInput: The resolution does not fit the break; names the field.
            Refused, NotFound: The ledger does not take what is to be booked.
            LimitExceeded: It is too much to be written off.
            OperationCancelled: It is to be dismissed.
        """

        async def body(step: StepTransaction) -> End:
            found = await _locked(step.connection, given.operation_id)
            if given.request.resolution is None:
                raise Conflict(
                    "Say how it is resolved; it does not go on by itself.",
                    code="resolution_missing",
                )
            resolution = read_resolution(given.request.resolution)
            today = utc_now().date()
            sides = await _open_items(step.connection, found, resolution)
            if not sides.ours and not sides.theirs:
                return await _ended(step, found, today, SEEN, {})
            if not sides.is_whole:
                raise Conflict(
                    "Some of what it is about was matched meanwhile; look at it again.",
                    code="break_changed",
                )
            done = await self._carry_out(step.connection, found, sides, resolution, today)
            return await _ended(step, found, today, resolution.how.value, done)

        return await self._steps.run(
            given.operation_id, "resolve", given, body, returns=End, ends=_ENDS
        )

    async def dismiss(self, given: BreakInput) -> End:
        """End a break that was cancelled: what it is about is never looked at again."""

        async def body(step: StepTransaction) -> End:
            found = await _locked(step.connection, given.operation_id)
            today = utc_now().date()
            sides = await _open_items(step.connection, found, Resolution(how=How.MATCH))
            if sides.ours or sides.theirs:
                await match_items(
                    step.connection,
                    found.account_id,
                    found.source,
                    sides.match(Rule.DISMISSED),
                    on=today,
                )
            await store.end(step.connection, found.id, today, DISMISSED)
            step.move(Status.CANCELLED, action="dismissed", result={"resolution": DISMISSED})
            return End(Status.CANCELLED)

        return await self._steps.run(
            given.operation_id, "close", given, body, returns=End, undoes=True, ends=_ENDS
        )

    async def _carry_out(
        self,
        connection: Connection,
        found: Break,
        sides: _Sides,
        resolution: Resolution,
        today: date,
    ) -> dict[str, Any]:
        if resolution.how in _BOOKS:
            return await self._book(connection, found, sides, resolution, today)
        is_accepted_late = (
            resolution.how is How.ACCEPT_TIMING and found.break_class is BreakClass.LATE
        )
        if resolution.how is How.MATCH or is_accepted_late:
            _check_agree(sides)
            match_id = await match_items(
                connection, found.account_id, found.source, sides.match(Rule.HAND), on=today
            )
            return {"match_id": match_id}
        days = resolution.days or self._excused_days
        return {"excused_until": (today + timedelta(days=days)).isoformat()}

    async def _book(
        self,
        connection: Connection,
        found: Break,
        sides: _Sides,
        resolution: Resolution,
        today: date,
    ) -> dict[str, Any]:
        """Book what our books lack, and match all of it."""
        account = await self._ledger.get_account(connection, found.account_id)
        difference_minor = sides.difference_minor
        if sides.currencies != {account.currency}:
            raise InvalidInput(
                f"It is not all in {account.currency}, the account's currency; book it by hand.",
                code="currency_mismatch",
                param="resolution.how",
            )
        if not difference_minor:
            raise InvalidInput(
                "Both sides come to the same; there is nothing to book. Match them.",
                param="resolution.how",
            )
        other = resolution.account_id
        if resolution.how is How.WRITE_OFF:
            limit = self._write_off.minor_of(account.currency) or 0
            if abs(difference_minor) > limit:
                raise LimitExceeded(
                    f"At most {format_amount(limit, account.currency)} is written off; book it.",
                    code="amount_over_limit",
                    param="resolution.how",
                )
            await ensure_system_accounts(self._ledger, connection, [account.currency])
            other = system_account_id(SystemAccount.WRITE_OFFS, account.currency)
        assert other is not None, "a resolution that books names an account"
        # What makes the account larger is on the side that it grows on.
        grows_by_credit = account.kind.normal_side is Side.CREDIT
        is_credited = (difference_minor > 0) == grows_by_credit
        debit, credit = (other, account.id) if is_credited else (account.id, other)
        posted = await self._ledger.post(
            connection,
            NewTransfer(
                id=derived_id(TRANSFER, found.id, resolution.how.value),
                debit_account_id=debit,
                credit_account_id=credit,
                amount_minor=abs(difference_minor),
                currency=account.currency,
                code=KIND,
                operation_id=found.id,
            ),
        )
        rule = _BOOKS[resolution.how]
        await connection.execute(
            "INSERT INTO open_entries (account_id, source, transfer_id, amount_minor, currency,"
            " booked_at, refs) VALUES ($1, $2, $3, $4, $5, now(), '{}')",
            found.account_id,
            found.source,
            posted.transfer.id,
            difference_minor,
            account.currency,
        )
        match = sides.match(rule)
        match_id = await match_items(
            connection,
            found.account_id,
            found.source,
            Match(rule, (*match.ours, posted.transfer.id), match.theirs),
            on=today,
        )
        return {"transfer_id": posted.transfer.id, "account_id": other, "match_id": match_id}


async def _locked(connection: Connection, break_id: str) -> Break:
    found = await store.get(connection, break_id)
    await lock_account(connection, found.account_id)
    return await store.get(connection, break_id)


async def _open_items(connection: Connection, found: Break, resolution: Resolution) -> _Sides:
    """Return what of a break is open; or of what is to be matched in its place."""
    is_own = not (resolution.transfer_ids or resolution.line_ids)
    transfer_ids = list(found.transfer_ids if is_own else resolution.transfer_ids)
    line_ids = list(found.line_ids if is_own else resolution.line_ids)
    ours = await connection.fetch(
        "SELECT transfer_id AS key, amount_minor, currency FROM open_entries"
        " WHERE account_id = $1 AND source = $2 AND transfer_id = ANY($3)",
        found.account_id,
        found.source,
        transfer_ids,
    )
    theirs = await connection.fetch(
        "SELECT id::text AS key, amount_minor, currency FROM statement_lines"
        " WHERE id = ANY($3) AND account_id = $1 AND source = $2 AND match_id IS NULL",
        found.account_id,
        found.source,
        line_ids,
    )
    return _Sides(
        [_OpenItem(**dict(row)) for row in ours],
        [_OpenItem(**dict(row)) for row in theirs],
        len(ours) == len(transfer_ids) and len(theirs) == len(line_ids),
    )


def _check_agree(sides: _Sides) -> None:
    if len(sides.currencies) != 1 or sides.difference_minor:
        told = f"{_sum(sides.ours)} and {_sum(sides.theirs)} minor units"
        raise InvalidInput(
            f"The two sides are not the same: {told}, in {', '.join(sorted(sides.currencies))}."
            " Book the difference, or name what belongs together.",
            code="sides_differ",
            param="resolution.line_ids",
        )


async def _ended(
    step: StepTransaction, found: Break, today: date, resolution: str, done: dict[str, Any]
) -> End:
    excused = done.get("excused_until")
    await store.end(
        step.connection,
        found.id,
        today,
        resolution,
        excused_until=date.fromisoformat(excused) if excused else None,
    )
    step.move(Status.SUCCEEDED, action=resolution, result={"resolution": resolution, **done})
    return End(Status.SUCCEEDED)
