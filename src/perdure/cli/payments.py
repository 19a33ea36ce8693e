"""`perdure payments`: create, look at, follow and cancel payments."""

import asyncio
from dataclasses import asdict
from typing import Annotated, Any, Final

import typer

from perdure.api.payment_schemas import PaymentView
from perdure.cli.output import Output, OutputFormat, out, print_fields, print_json, print_table
from perdure.cli.session import actor, open_session, run
from perdure.core.errors import Conflict
from perdure.core.ids import PAYMENT, check_id
from perdure.core.money import format_amount
from perdure.operations.model import Operation, Status, TrailEntry
from perdure.payments.contracts import KIND, Party, PaymentRequest

app = typer.Typer(help="Payments.", no_args_is_help=True)

_POLL_INTERVAL_S: Final = 0.25
PaymentId = Annotated[str, typer.Argument(help="The payment's id, pay_….", metavar="ID")]


@app.command()
def create(
    *,
    customer: Annotated[str, typer.Option(help="Who pays.")],
    account: Annotated[str, typer.Option(help="The account the money comes from, acc_….")],
    amount_minor: Annotated[int, typer.Option(help="In minor units: 1250 is 12.50 USD.")],
    currency: Annotated[str, typer.Option(help="ISO 4217 code.")] = "USD",
    payment_method: Annotated[str, typer.Option(help="The gateway's token.")] = "tok_success",
    reference: Annotated[
        str | None, typer.Option(help="Your name for it: the same again adds nothing.")
    ] = None,
    payer_email: Annotated[str | None, typer.Option()] = None,
    payer_phone: Annotated[str | None, typer.Option()] = None,
    payee_name: Annotated[str, typer.Option()] = "",
    payee_email: Annotated[str | None, typer.Option()] = None,
    payee_phone: Annotated[str | None, typer.Option()] = None,
    description: Annotated[str, typer.Option()] = "",
    output: Output = OutputFormat.TEXT,
) -> None:
    """Create a payment; `watch` follows it to its end."""
    request = PaymentRequest(
        customer_id=customer,
        account_id=account,
        amount_minor=amount_minor,
        currency=currency,
        payment_method=payment_method,
        payer=Party(email=payer_email, phone=payer_phone),
        payee=Party(payee_name, payee_email, payee_phone),
        reference=reference,
        description=description,
    )
    show(run(_create(request)), output)


async def _create(request: PaymentRequest) -> Operation:
    async with open_session() as platform:
        async with platform.operations.transaction() as connection:
            operation = await platform.payments.accept(connection, request, actor=actor())
        await platform.operations.launch(operation)
        return operation


@app.command()
def get(payment_id: PaymentId, output: Output = OutputFormat.TEXT) -> None:
    """Show a payment."""
    show(run(_get(payment_id)), output)


async def _get(payment_id: str) -> Operation:
    async with open_session() as platform:
        return await platform.operations.get(check_id(payment_id, PAYMENT))


@app.command("list")
def list_payments(
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
    """List payments, newest first."""
    found = run(_list(status, customer, reference, limit, starting_after))
    if output == OutputFormat.JSON:
        print_json({"data": [_as_json(operation) for operation in found]})
        return
    print_table(
        ("ID", "STATUS", "#AMOUNT", "CUSTOMER", "REFERENCE", "FAILURE", "CREATED"),
        [
            (
                operation.id,
                operation.status,
                amount_of(operation),
                operation.customer_id,
                operation.reference,
                operation.failure and operation.failure.code,
                operation.created_at,
            )
            for operation in found
        ],
    )


async def _list(
    status: Status | None,
    customer: str | None,
    reference: str | None,
    limit: int,
    starting_after: str | None,
) -> list[Operation]:
    async with open_session() as platform:
        return await platform.operations.find(
            kind=KIND,
            status=status,
            customer_id=customer,
            reference=reference,
            limit=limit,
            starting_after=starting_after,
        )


@app.command()
def cancel(
    payment_id: PaymentId,
    reason: Annotated[str, typer.Option(help="For the trail and the payer.")] = "Cancelled.",
    output: Output = OutputFormat.TEXT,
) -> None:
    """Ask a payment to stop; what it did so far is undone."""
    answer = run(_cancel(payment_id, reason))
    if output == OutputFormat.JSON:
        print_json({"id": payment_id, **answer})
    elif answer["accepted"]:
        out.print(answer["reason"])
    if not answer["accepted"]:
        raise Conflict(f"{payment_id} is not cancelled. {answer['reason']}", code="not_cancellable")


async def _cancel(payment_id: str, reason: str) -> dict[str, Any]:
    async with open_session() as platform:
        return asdict(
            await platform.operations.cancel(
                check_id(payment_id, PAYMENT), actor=actor(), reason=reason
            )
        )


@app.command()
def watch(payment_id: PaymentId, output: Output = OutputFormat.TEXT) -> None:
    """Follow a payment's changes until its end, or until it needs attention."""
    run(_watch(check_id(payment_id, PAYMENT), output))


async def _watch(payment_id: str, output: OutputFormat) -> None:
    async with open_session() as platform:
        last_id = 0
        while True:
            # Read before the trail, so that the trail holds what led to this status.
            operation = await platform.operations.get(payment_id)
            for entry in await platform.operations.trail(payment_id, after_id=last_id):
                _print_entry(entry, output)
                last_id = entry.id
            if operation.is_finished or operation.status == Status.NEEDS_ATTENTION:
                return
            await asyncio.sleep(_POLL_INTERVAL_S)


def _print_entry(entry: TrailEntry, output: OutputFormat) -> None:
    if output == OutputFormat.JSON:
        print_json(asdict(entry))
        return
    moment = entry.at.astimezone().strftime("%H:%M:%S.%f")[:-3]
    reason = f"  {entry.reason}" if entry.reason else ""
    out.print(f"{moment}  {entry.status:<16} {entry.action} by {entry.actor}{reason}", markup=False)


def show(operation: Operation, output: OutputFormat) -> None:
    """Print one payment."""
    if output == OutputFormat.JSON:
        print_json(_as_json(operation))
        return
    request, failure = operation.input["request"], operation.failure
    print_fields(
        {
            "id": operation.id,
            "status": operation.status,
            "amount": amount_of(operation),
            "customer": operation.customer_id,
            "account": request["account_id"],
            "payment method": request["payment_method"],
            "reference": operation.reference,
            "failure": f"{failure.code}: {failure.message}" if failure else None,
            "created": operation.created_at,
            "finished": operation.finished_at,
        }
    )


def amount_of(operation: Operation) -> str:
    """Return a payment's amount, for people."""
    request = operation.input["request"]
    return format_amount(request["amount_minor"], request["currency"])


def _as_json(operation: Operation) -> dict[str, Any]:
    # As the API shows it.
    return PaymentView.of(operation).model_dump(mode="json")
