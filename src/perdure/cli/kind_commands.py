"""The commands that every kind of operation has: look at, list, follow and cancel."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Final

import typer
from pydantic import BaseModel

from perdure.bootstrap import Platform
from perdure.cli.chain import chain_fields, chain_of_entry, with_chains
from perdure.cli.output import (
    Output,
    OutputFormat,
    moment,
    out,
    page_of,
    print_fields,
    print_json,
    print_json_list,
    print_table,
    tell_of_more,
)
from perdure.cli.session import actor, open_session, run
from perdure.core.ids import check_id
from perdure.core.money import format_amount
from perdure.core.text import check_identifier
from perdure.operations.cancellation import CancelAnswer
from perdure.operations.model import By, Operation, Side, Status, TrailEntry
from perdure.storage.pool import Connection

_POLL_INTERVAL_S: Final = 0.25

OperationId = Annotated[str, typer.Argument(help="Its id.", metavar="ID")]


def _amount_asked(operation: Operation) -> str | None:
    request = operation.input["request"]
    return format_amount(request["amount_minor"], request["currency"])


@dataclass(frozen=True, slots=True)
class KindCommands:
    """The commands of one kind.

    Args:
        kind: As in `operations.kind`; also what one is called.
        id_prefix: The first part of its ids.
        view: Shows one as the API does.
        own_fields: Tells what only this kind has, for people.
        amount: Writes the money that one moves; None: it is not known yet. By default what was
            asked for.
    """

    kind: str
    id_prefix: str
    view: Callable[[Operation, Side], BaseModel]
    own_fields: Callable[[dict[str, Any]], dict[str, object]]
    amount: Callable[[Operation], str | None] = _amount_asked

    def add_to(self, app: typer.Typer) -> None:
        """Give the commands to an application."""
        app.command("get", help=f"Show a {self.kind}.")(self.get)
        # What `operations` calls it.
        app.command("show", hidden=True)(self.get)
        app.command("list", help=f"List {self.kind}s, newest first.")(self.list)
        app.command("watch", help=f"Follow a {self.kind}'s changes until its end.")(self.watch)
        app.command("cancel", help=f"Ask a {self.kind} to stop; what it did so far is undone.")(
            self.cancel
        )

    def create(
        self,
        accept: Callable[[Platform, Connection], Awaitable[Operation]],
        output: OutputFormat,
    ) -> None:
        """Take one in, start it and show it.

        Args:
            accept: Stores it, in the transaction it is given.
        """
        self.show(run(_create(accept)), output)

    def get(self, operation_id: OperationId, output: Output = OutputFormat.TEXT) -> None:
        """Show one."""
        self.show(run(_get(self._checked(operation_id))), output)

    def list(
        self,
        *,
        status: Annotated[Status | None, typer.Option(help="Only those in this status.")] = None,
        customer: Annotated[str | None, typer.Option(help="Only this customer's.")] = None,
        reference: Annotated[str | None, typer.Option(help="Only with this reference.")] = None,
        limit: Annotated[int, typer.Option(min=1, max=1000)] = 20,
        starting_after: Annotated[
            str | None, typer.Option(help="The last id of the page before.")
        ] = None,
        output: Output = OutputFormat.TEXT,
    ) -> None:
        """List them, newest first."""
        found = run(
            _list(
                kind=self.kind,
                status=status,
                customer_id=customer and check_identifier("customer", customer),
                reference=reference and check_identifier("reference", reference),
                limit=limit + 1,
                starting_after=starting_after,
            )
        )
        found, has_more = page_of(found, limit)
        if output == OutputFormat.JSON:
            print_json_list([self._as_json(one) for one in found], has_more=has_more)
            return
        columns = ("ID", "STATUS", "#AMOUNT", "CUSTOMER", "REFERENCE", "FAILURE", "CREATED")
        print_table(*with_chains(columns, [self._row(operation) for operation in found], found))
        if has_more:
            tell_of_more(found[-1].id)

    def watch(self, operation_id: OperationId, output: Output = OutputFormat.TEXT) -> None:
        """Follow one's changes until its end, or until it needs attention."""
        run(_watch(self._checked(operation_id), output))

    def cancel(
        self,
        operation_id: OperationId,
        reason: Annotated[str, typer.Option(help="For the trail and the customer.")] = "Cancelled.",
        output: Output = OutputFormat.TEXT,
    ) -> None:
        """Ask one to stop; what it did so far is undone."""
        answer = run(_cancel(self._checked(operation_id), reason))
        if output == OutputFormat.JSON:
            print_json({"id": operation_id, **asdict(answer)})
        else:
            out.print(answer.reason)

    def show(self, operation: Operation, output: OutputFormat) -> None:
        """Print one."""
        if output == OutputFormat.JSON:
            print_json(self._as_json(operation))
            return
        request, failure = operation.input["request"], operation.failure
        print_fields(
            {
                "id": operation.id,
                "status": operation.status,
                "amount": self.amount(operation),
                "customer": operation.customer_id,
                "account": request["account_id"],
                **self.own_fields(request),
                "reference": operation.reference,
                "failure": f"{failure.code}: {failure.message}" if failure else None,
                **chain_fields(operation),
                "created": operation.created_at,
                "finished": operation.finished_at,
            }
        )

    def _row(self, operation: Operation) -> tuple[object, ...]:
        return (
            operation.id,
            operation.status,
            self.amount(operation),
            operation.customer_id,
            operation.reference,
            operation.failure and operation.failure.code,
            operation.created_at,
        )

    def _checked(self, operation_id: str) -> str:
        return check_id(operation_id, self.id_prefix)

    def _as_json(self, operation: Operation) -> dict[str, Any]:
        return self.view(operation, Side.HOUSE).model_dump(mode="json")


async def _create(accept: Callable[[Platform, Connection], Awaitable[Operation]]) -> Operation:
    async with open_session() as platform:
        async with platform.operations.transaction() as connection:
            operation = await accept(platform, connection)
        await platform.operations.launch(operation)
        return operation


async def _get(operation_id: str) -> Operation:
    async with open_session() as platform:
        return await platform.operations.get(operation_id)


async def _list(**filters: Any) -> list[Operation]:
    async with open_session() as platform:
        return await platform.operations.find(**filters)


async def _cancel(operation_id: str, reason: str) -> CancelAnswer:
    async with open_session() as platform:
        return await platform.operations.actions.cancel(operation_id, By(actor(), reason))


async def _watch(operation_id: str, output: OutputFormat) -> None:
    async with open_session() as platform:
        last_id = 0
        while True:
            # Read before the trail, so that the trail holds what led to this status.
            operation = await platform.operations.get(operation_id)
            for entry in await platform.operations.trail(operation_id, after_id=last_id):
                _print_entry(entry, output)
                last_id = entry.id
            if operation.is_finished or operation.status == Status.NEEDS_ATTENTION:
                return
            await asyncio.sleep(_POLL_INTERVAL_S)


def _print_entry(entry: TrailEntry, output: OutputFormat) -> None:
    if output == OutputFormat.JSON:
        print_json(asdict(entry))
        return
    at = moment(entry.at, timespec="milliseconds")
    more = "".join(f"  {part}" for part in (entry.reason, chain_of_entry(entry)) if part)
    out.print(f"{at}  {entry.status:<16} {entry.action} by {entry.actor}{more}")
