"""The activities of a reconciliation."""

import asyncio
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

import structlog
from temporalio import activity

from perdure.capability.contracts import End
from perdure.core.errors import Conflict, PerdureError
from perdure.durable.interceptors.operation_sync import records_its_attempts
from perdure.durable.stretches import end_with_worker
from perdure.notifications import store as notifications
from perdure.operations import store as operations
from perdure.operations.model import Status
from perdure.operations.steps import StepTransaction, TransactionalSteps
from perdure.providers.choice import Use
from perdure.providers.host import ProviderHost
from perdure.reconciliation.contracts import (
    BEGIN,
    CLOSE,
    COMPARE,
    COMPARE_STRETCH,
    CUT,
    FINISH,
    LOAD_FOLDER,
    READ_BOOKS,
    STAGE,
    Batch,
    BatchEnd,
    Batches,
    Begun,
    Cut,
    ReadBooks,
    ReconciliationInput,
    Stage,
    Stretch,
    StretchEnd,
)
from perdure.reconciliation.report.mail import messages_of
from perdure.reconciliation.report.summary import summary_of
from perdure.reconciliation.run import batches, staging
from perdure.reconciliation.settings import ReconciliationSettings
from perdure.reconciliation.sources import BookSource
from perdure.reconciliation.statements.loading import StatementFile, load
from perdure.storage.pool import Pool

log = structlog.get_logger()

_BOOKS_TIMEOUT_S: Final = 30.0
_STRETCH_S: Final = 60.0
"""How long one activity begins batches."""
_ENDS: Final = ("finish", "close")
_LOADED: Final = "file_loaded"
_NOT_LOADED: Final = "file_not_loaded"


class ReconciliationActivities:
    """Given the pool, and who serves the providers whose books are read.

    Args:
        uses: By the source's name; several, where there are several such providers.
    """

    def __init__(
        self,
        pool: Pool,
        steps: TransactionalSteps,
        sources: Mapping[str, BookSource],
        uses: Mapping[str, list[Use[Any]]],
        settings: ReconciliationSettings,
    ) -> None:
        self._pool = pool
        self._steps = steps
        self._sources = sources
        self._uses = uses
        self._settings = settings

    @activity.defn(name=BEGIN)
    @records_its_attempts
    async def begin(self, given: ReconciliationInput) -> Begun:
        """Fix until when our entries are compared, and with whose books."""

        async def body(step: StepTransaction) -> Begun:
            names = list(self._sources)
            cutoff = await staging.begin(step.connection, _day(given), names)
            step.move(Status.PROCESSING, action="begun")
            return Begun(cutoff, names)

        return await self._steps.run(given.operation_id, "begin", given, body, returns=Begun)

    @activity.defn(name=LOAD_FOLDER)
    @records_its_attempts
    async def load_folder(self, operation_id: str) -> int:
        """Load the files of the folder that the settings name; what is wrong is on the trail.

        A file that was loaded before is passed over, so nothing has to be moved away.
        """
        folder = self._settings.statements_folder
        if folder is None:
            return 0
        loaded = 0
        for path in await asyncio.to_thread(_files_in, folder):
            loaded += await self._load_file(operation_id, path)
        return loaded

    async def _load_file(self, operation_id: str, path: Path) -> int:
        try:
            with path.open("rb") as content:
                # CSV does not say whose it is; its folder does.
                name = path.parent.name if path.suffix.lower() == ".csv" else None
                file = StatementFile(name=path.name, content=content, source=name)
                done = await load(self._pool, file, actor="folder")
        except Conflict as error:
            if error.code == "statement_loaded":
                return 0
            await self._note(operation_id, _NOT_LOADED, path, error.message)
            return 0
        except (PerdureError, OSError) as error:
            told = error.message if isinstance(error, PerdureError) else str(error.strerror)
            await self._note(operation_id, _NOT_LOADED, path, told)
            return 0
        await self._note(operation_id, _LOADED, path, f"{len(done)} statements.")
        return 1

    async def _note(self, operation_id: str, action: str, path: Path, told: str) -> None:
        log.info(action, file=path.name, told=told)
        async with self._pool.acquire() as connection:
            await operations.note(
                connection,
                await operations.get(connection, operation_id),
                actor=operations.SYSTEM,
                action=action,
                reason=f"{path.name}: {told}",
            )

    @activity.defn(name=READ_BOOKS)
    @records_its_attempts
    async def read_books(self, given: ReadBooks) -> int:
        """Keep what a provider tells of its own books; returns how many lines are new."""
        source = self._sources[given.source]
        day = date.fromisoformat(given.day)
        since = staging.begin_of(day) - timedelta(days=self._settings.books_days)
        kept = 0
        for use in self._uses[given.source]:
            async with ProviderHost(timeout_s=_BOOKS_TIMEOUT_S, tld=use.tld) as host:
                told = use.make(host).books(since)
                kept += await staging.keep_books(self._pool, source, day, told)
        return kept

    @activity.defn(name=STAGE)
    @records_its_attempts
    async def stage(self, given: Stage) -> int:
        """Give out our entries up to a moment; returns how many."""
        sources = {name: self._sources[name] for name in given.sources if name in self._sources}
        count, stretch = 0, staging.STRETCH
        while True:
            staged = await staging.stage_entries(self._pool, given.cutoff, sources, stretch=stretch)
            if staged is None:
                return count
            count += staged
            stretch = min(2 * stretch, staging.STRETCH_MAX) if not staged else staging.STRETCH

    @activity.defn(name=CUT)
    @records_its_attempts
    async def cut(self, given: Cut) -> Batches:
        """Cut the next accounts into batches."""
        return Batches(
            await batches.cut(self._pool, given.after, batch=given.batch, batches=given.batches)
        )

    @activity.defn(name=COMPARE)
    @records_its_attempts
    async def compare(self, given: Batch) -> BatchEnd:
        """Compare one batch, in one commit."""
        return await batches.compare_batch(self._pool, given)

    @activity.defn(name=COMPARE_STRETCH)
    @records_its_attempts
    async def compare_stretch(self, given: Stretch) -> StretchEnd:
        """Compare batch after batch, each in one commit."""
        over = asyncio.Event()
        end = asyncio.get_running_loop().call_later(_STRETCH_S, over.set)
        stopping = asyncio.create_task(end_with_worker(over))
        try:
            return await batches.compare_stretch(self._pool, given, over)
        finally:
            stopping.cancel()
            end.cancel()

    @activity.defn(name=FINISH)
    @records_its_attempts
    async def finish(self, given: ReconciliationInput) -> End:
        """End the run, and owe whoever is told the report."""

        async def body(step: StepTransaction) -> End:
            found = given.operation_id
            summary = await summary_of(step.connection, found, _day(given))
            owed = await messages_of(step.connection, summary, to=self._settings.mail_to)
            ids = (await notifications.owe(step.connection, {found: owed}))[found]
            step.move(Status.SUCCEEDED, action="finished", result=summary.as_json())
            return End(Status.SUCCEEDED, notification_ids=ids)

        return await self._steps.run(
            given.operation_id, "finish", given, body, returns=End, ends=_ENDS
        )

    @activity.defn(name=CLOSE)
    @records_its_attempts
    async def close(self, given: ReconciliationInput) -> End:
        """End a run that was cancelled: what it matched and found stays."""

        async def body(step: StepTransaction) -> End:
            summary = await summary_of(step.connection, given.operation_id, _day(given))
            step.move(Status.CANCELLED, action="stopped", result=summary.as_json())
            return End(Status.CANCELLED)

        return await self._steps.run(
            given.operation_id, "close", given, body, returns=End, undoes=True, ends=_ENDS
        )


def _day(given: ReconciliationInput) -> date:
    return date.fromisoformat(given.request.day)


def _files_in(folder: Path) -> list[Path]:
    """Return a folder's files, and those of the folders in it, by their names."""
    return sorted(
        path
        for path in (*folder.glob("*"), *folder.glob("*/*"))
        if path.is_file() and not path.name.startswith(".")
    )
