"""An OpenFeature provider over the table of flags.

Evaluations read a snapshot in memory and never wait: they are made where a request is accepted,
which may hold a connection. A task reads the table once a second, so a change holds in every
process within two.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Final, NoReturn

import asyncpg
import structlog
from openfeature.evaluation_context import EvaluationContext
from openfeature.event import ProviderEventDetails
from openfeature.exception import (
    FlagNotFoundError,
    ProviderNotReadyError,
    TargetingKeyMissingError,
    TypeMismatchError,
)
from openfeature.flag_evaluation import FlagResolutionDetails
from openfeature.provider import AbstractProvider, Metadata

from perdure.core.errors import InvalidInput
from perdure.core.telemetry import telemetry
from perdure.flags.model import Context, Flag
from perdure.flags.rules import evaluate, nearest
from perdure.flags.store import FlagStore

log = structlog.get_logger()

REFRESH_INTERVAL_S: Final = 1.0
_READ_TIMEOUT_S: Final = 10.0


class StoredFlagProvider(AbstractProvider):
    """Evaluates the flags of a store.

    While the database is away it goes by what it read last, and its status is `STALE`. Before it
    has read anything an evaluation gives its caller's default, with the reason `ERROR`.

    Args:
        store: Where the flags are.
        interval_s: The pause between two looks at it.
    """

    def __init__(self, store: FlagStore, *, interval_s: float = REFRESH_INTERVAL_S) -> None:
        super().__init__()
        self._store = store
        self._interval_s = interval_s
        self._snapshot: Mapping[str, Flag] | None = None
        self._is_stale = False

    @asynccontextmanager
    async def refreshing(self) -> AsyncIterator[None]:
        """Keep the snapshot fresh; the first is there at once, if the database is."""
        await self.refresh()
        task = asyncio.create_task(self._keep_refreshing())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def refresh(self) -> None:
        """Read the table; where that cannot be done, what was read last stays."""
        try:
            async with asyncio.timeout(_READ_TIMEOUT_S):
                flags = {flag.key: flag for flag in await self._store.list_flags()}
        except Exception as error:  # noqa: BLE001 - whatever it is, the refreshing must not end
            self._tell_failure(error)
            telemetry().report(error, "flags")
            return
        self._take(flags)

    def get_metadata(self) -> Metadata:
        """Return how the provider is called."""
        return Metadata("perdure")

    def resolve_string_details(
        self,
        flag_key: str,
        default_value: str,  # noqa: ARG002 - the client gives it where this raises
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[str]:
        """Evaluate a flag; `flag_metadata` has its `version`, and the number of the `rule`.

        Raises:
            ProviderNotReadyError: No flags were read yet.
            FlagNotFoundError: There is no such flag.
            TargetingKeyMissingError: A share of customers, and no customer.
        """
        if self._snapshot is None:
            raise ProviderNotReadyError("The flags have not been read yet.")
        flags = self._snapshot
        if (flag := flags.get(flag_key)) is None:
            raise FlagNotFoundError(f"There is no flag {flag_key!r}.{nearest(flag_key, flags)}")
        try:
            found = evaluate(flag, _context(evaluation_context))
        except InvalidInput as error:
            raise TargetingKeyMissingError(error.message) from error
        metadata: dict[str, bool | int | float | str] = {"version": flag.version}
        if found.rule_number is not None:
            metadata["rule"] = found.rule_number
        return FlagResolutionDetails(
            value=found.variant,
            variant=found.variant,
            reason=found.reason,
            flag_metadata=metadata,
        )

    def _refuse(self, flag_key: str, *_: object, **__: object) -> NoReturn:
        raise TypeMismatchError(f"{flag_key} gives a text; ask for a string.")

    resolve_boolean_details = _refuse
    resolve_integer_details = _refuse
    resolve_float_details = _refuse
    resolve_object_details = _refuse

    async def _keep_refreshing(self) -> None:
        while True:
            await asyncio.sleep(self._interval_s)
            await self.refresh()

    def _take(self, flags: Mapping[str, Flag]) -> None:
        before = self._snapshot or {}
        was_ready = self._snapshot is not None and not self._is_stale
        self._snapshot, self._is_stale = flags, False
        if not was_ready:
            log.info("flags_read", flags=len(flags))
            self.emit_provider_ready(ProviderEventDetails())
        changed = [key for key in flags.keys() | before.keys() if flags.get(key) != before.get(key)]
        if changed:
            self.emit_provider_configuration_changed(
                ProviderEventDetails(flags_changed=sorted(changed))
            )

    def _tell_failure(self, error: Exception) -> None:
        if self._is_stale:
            return
        self._is_stale = True
        # Of a database without tables, whoever needs them tells better.
        tell = log.info if isinstance(error, asyncpg.UndefinedTableError) else log.warning
        tell("flags_not_read", error=repr(error), has_snapshot=self._snapshot is not None)
        self.emit_provider_stale(ProviderEventDetails(message=repr(error)))


def _context(given: EvaluationContext | None) -> Context:
    if given is None:
        return Context()

    found = {name: _texts(value) for name, value in given.attributes.items()}
    (kind,) = found.pop("kind", ())[:1] or (None,)
    return Context(given.targeting_key, kind, {f"{name}s": value for name, value in found.items()})


def _texts(value: object) -> tuple[str, ...]:
    values = value if isinstance(value, list | tuple) else [value]
    return tuple(one for one in values if isinstance(one, str))
