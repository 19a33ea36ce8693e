"""`perdure payments`: create, look at, follow and cancel payments."""

from typing import Annotated

import typer

from perdure.api.payment_schemas import PaymentView
from perdure.bootstrap import Platform
from perdure.cli.kind_commands import KindCommands
from perdure.cli.output import Output, OutputFormat
from perdure.cli.payments_import import import_file
from perdure.cli.session import actor
from perdure.cli.values import AmountOption, Deadline
from perdure.notifications.contracts import Party
from perdure.operations.model import Operation
from perdure.payments.contracts import ID_PREFIX, KIND, PaymentRequest
from perdure.storage.pool import Connection

app = typer.Typer(help="Payments.", no_args_is_help=True)
app.command("import")(import_file)

_commands = KindCommands(
    KIND,
    ID_PREFIX,
    PaymentView.of,
    lambda request: {"payment method": request["payment_method"]},
)


@app.command()
def create(
    *,
    customer: Annotated[str, typer.Option(help="Who pays.")],
    account: Annotated[str, typer.Option(help="The account the money comes from, acc_….")],
    amount_minor: AmountOption,
    currency: Annotated[str, typer.Option(help="ISO 4217 code.")] = "USD",
    payment_method: Annotated[str, typer.Option(help="The gateway's token.")] = "tok_ok",
    reference: Annotated[
        str | None, typer.Option(help="Your name for it: the same again adds nothing.")
    ] = None,
    payer_email: Annotated[str | None, typer.Option()] = None,
    payer_phone: Annotated[str | None, typer.Option()] = None,
    payee_name: Annotated[str, typer.Option()] = "",
    payee_email: Annotated[str | None, typer.Option()] = None,
    payee_phone: Annotated[str | None, typer.Option()] = None,
    description: Annotated[str, typer.Option()] = "",
    deadline: Deadline = None,
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

    async def accept(platform: Platform, connection: Connection) -> Operation:
        return await platform.kinds.acceptance(KIND).accept(
            connection, request, actor=actor(), deadline_at=deadline
        )

    _commands.create(accept, output)


_commands.add_to(app)
