"""`perdure transfers`: create, look at, follow and cancel transfers."""

from typing import Annotated

import typer

from perdure.api.transfer_schemas import TransferView
from perdure.bootstrap import Platform
from perdure.cli.kind_commands import KindCommands
from perdure.cli.output import Output, OutputFormat
from perdure.cli.session import actor
from perdure.cli.values import AmountOption, Deadline
from perdure.notifications.contracts import Party
from perdure.operations.model import Operation
from perdure.storage.pool import Connection
from perdure.transfers.contracts import ID_PREFIX, KIND, TransferRequest

app = typer.Typer(help="Transfers: money paid out at a bank.", no_args_is_help=True)

_commands = KindCommands(
    KIND,
    ID_PREFIX,
    TransferView.of,
    lambda request: {"destination": request["destination"]},
)


@app.command()
def create(
    *,
    customer: Annotated[str, typer.Option(help="Whose money it is.")],
    account: Annotated[str, typer.Option(help="The account it comes from, acc_….")],
    amount_minor: AmountOption,
    destination: Annotated[str, typer.Option(help="Where it goes, as the bank names it: an IBAN.")],
    currency: Annotated[str, typer.Option(help="ISO 4217 code.")] = "USD",
    reference: Annotated[
        str | None, typer.Option(help="Your name for it: the same again adds nothing.")
    ] = None,
    customer_name: Annotated[str, typer.Option()] = "",
    customer_email: Annotated[str | None, typer.Option(help="Told how it ended.")] = None,
    customer_phone: Annotated[str | None, typer.Option(help="Told how it ended.")] = None,
    description: Annotated[str, typer.Option()] = "",
    deadline: Deadline = None,
    output: Output = OutputFormat.TEXT,
) -> None:
    """Create a transfer; `watch` follows it to its end."""
    request = TransferRequest(
        customer_id=customer,
        account_id=account,
        amount_minor=amount_minor,
        currency=currency,
        destination=destination,
        customer=Party(customer_name, customer_email, customer_phone),
        reference=reference,
        description=description,
    )

    async def accept(platform: Platform, connection: Connection) -> Operation:
        return await platform.kinds.acceptance(KIND).accept(
            connection, request, actor=actor(), deadline_at=deadline
        )

    _commands.create(accept, output)


_commands.add_to(app)
