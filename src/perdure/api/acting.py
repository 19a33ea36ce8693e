"""What is asked to be done to an operation, and the answer: once for each Idempotency-Key."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from pydantic import BaseModel
from starlette.responses import Response

from perdure.api.authentication import visible_operation
from perdure.api.idempotency import (
    Act,
    IdempotencyKey,
    Once,
    Show,
    act_once,
    answer_once,
)
from perdure.api.keys import ApiKey
from perdure.api.operation_schemas import OperationView
from perdure.bootstrap import Platform
from perdure.operations import store
from perdure.operations.actions import OperatorActions, Relaunched
from perdure.operations.also import Also
from perdure.operations.cancellation import CancelAnswer
from perdure.operations.model import By, Operation, Side
from perdure.storage.pool import Connection, Pool


@dataclass(frozen=True, slots=True)
class Acting:
    """Somebody who acts, in one request."""

    request: Request
    platform: Platform
    caller: ApiKey
    key: IdempotencyKey | None

    @property
    def request_id(self) -> str:
        """Names the request in an error that is kept."""
        return str(self.request.state.request_id)

    def by(self, reason: str) -> By:
        """Return who acts, and why."""
        return By(self.caller.actor, reason)

    async def answer(self, act: Act) -> Response:
        """Do it in a transaction with its answer, or give the one before; as `answer_once`."""
        answer = await answer_once(
            self.platform.operations, self.caller.owner, self.key, self.request_id, act
        )
        return answer.response()

    async def once(self, act: Callable[[Also], Awaitable[Any]], show: Show) -> Response:
        """Do it, or give the answer that the request had before; as `act_once`."""
        once = Once(self.caller.owner, self.key, self.request_id, show) if self.key else None
        return (await act_once(self.platform.pool, once, act, show)).response()


@dataclass(frozen=True, slots=True)
class ActingOnOne(Acting):
    """Somebody who acts on an operation.

    Args:
        kind: What the operation has to be; None: of any kind.
    """

    operation_id: str
    kind: str | None = None

    @property
    def actions(self) -> OperatorActions:
        """What can be done to operations."""
        return self.platform.operations.actions

    async def do(
        self, action: Callable[..., Awaitable[Any]], reason: str, *given: Any, **named: Any
    ) -> Response:
        """Do one of the actions; the operation answers, or the one that the action made.

        Raises:
            NotFound: There is none, or the caller is not to know that there is.
            Conflict, IdempotencyMismatch: As `act_once`.
            PerdureError: Whatever the action raises.
        """

        async def show(connection: Connection | Pool, done: Any) -> OperationView:
            if isinstance(done, Relaunched):
                done = done.operation
            about = done.id if isinstance(done, Operation) else self.operation_id
            return OperationView.of(await store.get(connection, about), self.caller.side)

        by = self.by(reason)
        return await self._once(
            lambda also: action(self.operation_id, by, *given, also=also, **named), show
        )

    async def cancel(
        self, reason: str, show: Callable[[str, Operation, Side], BaseModel]
    ) -> Response:
        """Ask the operation to stop; raises as `do`.

        Args:
            show: Returns the answer, given what is told of it and how the operation stands then.
        """

        async def show_asked(connection: Connection | Pool, answer: CancelAnswer) -> BaseModel:
            operation = await store.get(connection, self.operation_id)
            return show(answer.reason, operation, self.caller.side)

        by = self.by(reason)
        return await self._once(
            lambda also: self.actions.cancel(self.operation_id, by, also=also), show_asked
        )

    async def _once(self, act: Callable[[Also], Awaitable[Any]], show: Show) -> Response:
        await visible_operation(self.platform, self.caller, self.operation_id, kind=self.kind)
        return await self.once(act, show)
