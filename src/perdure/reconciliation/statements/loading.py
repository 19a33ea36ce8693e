"""Files of statements loaded: all of a file, or nothing of it."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

import asyncpg

from perdure.core.errors import Conflict, InvalidInput, NotFound
from perdure.core.ids import new_id
from perdure.reconciliation.contracts import STATEMENT_ID_PREFIX
from perdure.reconciliation.statements import accounts
from perdure.reconciliation.statements.accounts import StatementAccount
from perdure.reconciliation.statements.csv_statement import CsvStatements
from perdure.reconciliation.statements.model import Beginning, Line, Part, StatementFormat, wrong
from perdure.reconciliation.statements.reading import READERS, Closed, checked, format_of
from perdure.reconciliation.statements.store import Statement
from perdure.storage.pool import Connection, Pool, transaction

_LINES_AT_ONCE: Final = 2_000
_PART_BYTES: Final = 1 << 20
_FILE_LOCK: Final = 7_265_330
"""Advisory lock of a file's content, so that it is loaded once by whoever comes first."""

_COLUMNS: Final = (
    "statement_id", "source", "account_id", "line", "booked_on", "value_on", "amount_minor",
    "currency", "refs", "their_id", "description",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementFile:
    """A file to be loaded.

    Args:
        content: One that can be read twice.
        source: Whose it is, where the file does not say: CSV.
        format: None: as it begins.
        allow_gap: Statements between the last one and this are not to come.
    """

    name: str
    content: BinaryIO
    source: str | None = None
    format: StatementFormat | None = None
    allow_gap: bool = False


async def load(pool: Pool, file: StatementFile, *, actor: str) -> list[Statement]:
    """Load a file's statements; raises as `load_in`."""
    async with transaction(pool) as connection:
        return await load_in(connection, file, actor=actor)


async def load_in(connection: Connection, file: StatementFile, *, actor: str) -> list[Statement]:
    """Load a file's statements in a transaction, which its caller lets come to nothing if it fails.

    Raises:
        InvalidInput: The file is not right; names line and field.
        NotFound: `statement_account_not_found`: whose it is, nobody has said.
        Conflict: `statement_loaded`: it, or a statement of it, is loaded already;
            `statement_gap`: one between is missing.
    """
    written = file.format or format_of(file.content)
    # CSV does not say whose it is, and two accounts may have the same day.
    whose = file.source if written is StatementFormat.CSV else None
    digest = _digest(file.content, whose)
    await connection.execute(
        "SELECT pg_advisory_xact_lock($1, hashtext(encode($2, 'hex')))", _FILE_LOCK, digest
    )
    before = await connection.fetchrow(
        "SELECT id, file_name, loaded_at FROM statements WHERE digest = $1 LIMIT 1", digest
    )
    if before is not None:
        raise Conflict(
            f"The same file was loaded as {before['file_name']}, at"
            f" {before['loaded_at']:%Y-%m-%d %H:%M} UTC: {before['id']}.",
            code="statement_loaded",
            param="file",
        )
    own = await accounts.find(connection, file.source) if file.source else None
    loading = _Loading(connection, file, written, digest, actor)
    await loading.run(checked(_parts(file, written, own)))
    return loading.done


def _digest(content: BinaryIO, whose: str | None) -> bytes:
    digest = hashlib.sha256((whose or "").encode())
    content.seek(0)
    while part := content.read(_PART_BYTES):
        digest.update(part)
    content.seek(0)
    return digest.digest()


def _parts(
    file: StatementFile, written: StatementFormat, own: StatementAccount | None
) -> Iterator[Part]:
    encoding = own.encoding if own else "utf-8"
    if written is not StatementFormat.CSV:
        return READERS[written](file.content, encoding)
    if file.source is None:
        raise InvalidInput(
            "It is none of camt.053, MT940 and BAI2. If it is CSV, say whose account it is.",
            code="missing_field",
            param="source",
        )
    if own is None:
        raise _unknown_account(file.source)
    if own.columns is None:
        raise InvalidInput(
            f"{own.source} has no mapping of CSV columns; set it first.", param="source"
        )
    return CsvStatements(own.columns, own.source, own.currency).read(file.content, encoding)


def _unknown_account(source: str) -> NotFound:
    return NotFound(
        f"Nobody has said which account of ours the statements of {source[:80]!r} are about.",
        code="statement_account_not_found",
        param="source",
    )


class _Loading:
    """A file as it is loaded.

    Attributes:
        done: Its statements so far.
    """

    def __init__(
        self,
        connection: Connection,
        file: StatementFile,
        written: StatementFormat,
        digest: bytes,
        actor: str,
    ) -> None:
        self._connection = connection
        self._file = file
        self._format = written
        self._digest = digest
        self._actor = actor
        self._rows: list[tuple[object, ...]] = []
        self.done: list[Statement] = []

    async def run(self, parts: Iterator[Beginning | Line | Closed]) -> None:
        """Write what the file says."""
        begun: Beginning | None = None
        account: StatementAccount | None = None
        statement_id = ""
        for part in parts:
            if isinstance(part, Beginning):
                begun, account = part, await self._account_of(part)
                statement_id = new_id(STATEMENT_ID_PREFIX)
            elif isinstance(part, Line):
                assert account is not None
                self._rows.append(_row(statement_id, account, part))
                if len(self._rows) >= _LINES_AT_ONCE:
                    await self._write()
            else:
                assert begun is not None
                assert account is not None
                await self._write()
                self.done.append(await self._close(statement_id, account, begun, part))

    async def _account_of(self, begun: Beginning) -> StatementAccount:
        account = await accounts.lock(self._connection, begun.account)
        if account is None:
            raise _unknown_account(begun.account)
        if self._file.source not in (None, account.source):
            raise wrong(
                begun.line, "account", f"it is {account.source}'s, not {self._file.source}'s."
            )
        if begun.currency != account.currency:
            raise wrong(
                begun.line,
                "currency",
                f"it is in {begun.currency}; {account.source} is in {account.currency}.",
                code="currency_mismatch",
            )
        return account

    async def _write(self) -> None:
        rows, self._rows = self._rows, []
        if rows:
            await self._connection.copy_records_to_table(
                "statement_lines", records=rows, columns=_COLUMNS
            )

    async def _close(
        self, statement_id: str, account: StatementAccount, begun: Beginning, closed: Closed
    ) -> Statement:
        await self._check_follows(account, begun, closed)
        found = Statement(
            id=statement_id,
            source=account.source,
            account_id=account.account_id,
            currency=account.currency,
            format=self._format.value,
            their_id=begun.their_id,
            sequence=begun.sequence,
            opening_minor=closed.opening_minor,
            closing_minor=closed.closing_minor,
            from_on=closed.from_on,
            to_on=closed.to_on,
            lines=closed.lines,
            file_name=self._file.name,
        )
        try:
            async with self._connection.transaction():
                await self._insert(found)
        except asyncpg.UniqueViolationError:
            raise Conflict(
                f"Line {begun.line}: the statement {begun.their_id} of {account.source} is loaded"
                " already.",
                code="statement_loaded",
                param="file",
            ) from None
        return found

    async def _insert(self, statement: Statement) -> None:
        await self._connection.execute(
            "INSERT INTO statements (id, source, account_id, currency, format, their_id, sequence,"
            " opening_minor, closing_minor, from_on, to_on, lines, digest, part, file_name,"
            " loaded_by) VALUES"
            " ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
            statement.id,
            statement.source,
            statement.account_id,
            statement.currency,
            statement.format,
            statement.their_id,
            statement.sequence,
            statement.opening_minor,
            statement.closing_minor,
            statement.from_on,
            statement.to_on,
            statement.lines,
            self._digest,
            len(self.done) + 1,
            statement.file_name,
            self._actor,
        )

    async def _check_follows(
        self, account: StatementAccount, begun: Beginning, closed: Closed
    ) -> None:
        """Refuse a statement where one between it and the last is missing."""
        last = await self._connection.fetchrow(_LAST, account.source)
        if last is None or self._file.allow_gap:
            return
        told = None
        before, sequence = last["sequence"], begun.sequence
        if closed.to_on < last["to_on"]:
            told = f"it is of {closed.to_on}, and the last one of {last['to_on']}"
        elif before is not None and sequence is not None and sequence != before + 1:
            is_new_year = sequence == 1 and closed.to_on.year > last["to_on"].year
            if not is_new_year:
                told = f"its number is {sequence}, and the last one's {before}"
        both = last["closing_minor"], closed.opening_minor
        if told is None and None not in both and both[0] != both[1]:
            told = f"it begins with {both[1]} minor units, and the last one ended with {both[0]}"
        if told is not None:
            raise Conflict(
                f"Line {begun.line}: the statement does not follow the last one of"
                f" {account.source}, {last['id']}: {told}. Load what is between them first, or say"
                " that nothing is.",
                code="statement_gap",
                param="file",
            )


_LAST: Final = """
SELECT id, sequence, closing_minor, to_on FROM statements WHERE source = $1
ORDER BY to_on DESC, id DESC LIMIT 1
"""


def _row(statement_id: str, account: StatementAccount, line: Line) -> tuple[object, ...]:
    return (
        statement_id,
        account.source,
        account.account_id,
        line.line,
        line.booked_on,
        line.value_on,
        line.amount_minor,
        line.currency,
        list(line.references),
        line.their_id,
        line.description,
    )
