"""What the requests of several kinds have in common, looked at once."""

from dataclasses import Field, replace
from typing import Any, ClassVar, Protocol, TypeVar

from perdure.core.ids import ACCOUNT, check_id
from perdure.core.money import Money
from perdure.core.text import check_identifier, check_optional_text


class OwnedRequest(Protocol):
    """Of a customer, who pays from an account; a dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    @property
    def customer_id(self) -> str: ...  # noqa: D102
    @property
    def account_id(self) -> str: ...  # noqa: D102
    @property
    def reference(self) -> str | None: ...  # noqa: D102


class AmountRequest(OwnedRequest, Protocol):
    """Of an amount that the customer names."""

    @property
    def amount_minor(self) -> int: ...  # noqa: D102
    @property
    def currency(self) -> str: ...  # noqa: D102
    @property
    def description(self) -> str: ...  # noqa: D102


Owned = TypeVar("Owned", bound=OwnedRequest)
OfAmount = TypeVar("OfAmount", bound=AmountRequest)


def check_names(request: Owned) -> Owned:
    """Return a request with the names of its customer and of itself as they are kept.

    Raises:
        InvalidInput: One of them, or the account's id, is malformed.
    """
    check_id(request.account_id, ACCOUNT, param="account_id")
    reference = request.reference
    return replace(
        request,
        customer_id=check_identifier("customer_id", request.customer_id),
        reference=check_identifier("reference", reference) if reference is not None else None,
    )


def check_amount(request: OfAmount) -> OfAmount:
    """Return a request of an amount with its names and description as they are kept.

    Raises:
        InvalidInput: The amount, the currency, a name or the description is malformed.
    """
    Money(request.amount_minor, request.currency)
    return replace(
        check_names(request),
        description=check_optional_text("description", request.description),
    )
