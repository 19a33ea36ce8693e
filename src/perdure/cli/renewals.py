"""`perdure renewals`: create, look at, follow and cancel renewals of domains."""

from typing import Annotated

import typer

from perdure.api.renewal_schemas import RenewalView
from perdure.bootstrap import Platform
from perdure.cli.kind_commands import KindCommands
from perdure.cli.output import Output, OutputFormat
from perdure.cli.session import actor
from perdure.cli.values import Deadline
from perdure.core.money import format_amount, read_amount_minor
from perdure.notifications.contracts import Party
from perdure.operations.model import Operation
from perdure.renewals.contracts import ID_PREFIX, KIND, RenewalRequest
from perdure.storage.pool import Connection

app = typer.Typer(help="Renewals: domains renewed at their registry.", no_args_is_help=True)


def _price(operation: Operation) -> str | None:
    paid = operation.result
    return format_amount(paid["price_minor"], paid["currency"]) if paid else None


_commands = KindCommands(
    KIND,
    ID_PREFIX,
    RenewalView.of,
    lambda request: {"domain": request["domain"], "years": request["years"]},
    _price,
)


@app.command()
def create(
    *,
    customer: Annotated[str, typer.Option(help="Whose domain it is.")],
    account: Annotated[str, typer.Option(help="The account that pays, acc_….")],
    domain: Annotated[str, typer.Option(help="Its name, in lower case: example.info.")],
    years: Annotated[int, typer.Option(help="By how many: 1 to 10.")] = 1,
    expires_on: Annotated[
        str | None,
        typer.Option(help="The domain's last day now; so the same command twice renews once."),
    ] = None,
    price_minor_max: Annotated[
        int | None,
        typer.Option(
            parser=lambda text: read_amount_minor(text, param="price_minor_max"),
            metavar="INTEGER",
            help="The most it may cost, for all years, in minor units. A premium domain is renewed"
            " only with it.",
        ),
    ] = None,
    reference: Annotated[
        str | None, typer.Option(help="Your name for it: the same again adds nothing.")
    ] = None,
    customer_name: Annotated[str, typer.Option()] = "",
    customer_email: Annotated[str | None, typer.Option(help="Told how it ended.")] = None,
    customer_phone: Annotated[str | None, typer.Option(help="Told how it ended.")] = None,
    deadline: Deadline = None,
    output: Output = OutputFormat.TEXT,
) -> None:
    """Create a renewal; `watch` follows it to its end.

    The same again while one is under way is that one.
    """
    request = RenewalRequest(
        customer_id=customer,
        domain=domain,
        years=years,
        account_id=account,
        customer=Party(customer_name, customer_email, customer_phone),
        reference=reference,
        price_minor_max=price_minor_max,
        current_expires_on=expires_on,
    )

    async def accept(platform: Platform, connection: Connection) -> Operation:
        return await platform.kinds.acceptance(KIND).accept(
            connection, request, actor=actor(), deadline_at=deadline
        )

    _commands.create(accept, output)


_commands.add_to(app)
