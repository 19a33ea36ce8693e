"""What is noted of a request's fields."""

import pytest

from perdure.core.notes import correctable, notes_of
from perdure.payments.contracts import PaymentRequest
from perdure.refunds.contracts import RefundRequest
from perdure.renewals.contracts import RenewalRequest
from perdure.transfers.contracts import TransferRequest


@pytest.mark.parametrize(
    ("request_type", "fields"),
    [
        (
            PaymentRequest,
            {"payment_method": "charge", "payer": None, "payee": None, "description": None},
        ),
        (TransferRequest, {"destination": "pay_out", "customer": None, "description": None}),
        (RenewalRequest, {"price_minor_max": "renew", "customer": None}),
        (RefundRequest, {"customer": None}),
    ],
)
def test_what_can_be_corrected_is_noted_beside_it(
    request_type: type, fields: dict[str, str | None]
) -> None:
    assert correctable(request_type) == fields


def test_every_field_has_a_note_in_its_order() -> None:
    notes = notes_of(TransferRequest)
    assert [*notes] == [*TransferRequest.__dataclass_fields__]
    assert notes["destination"].examples == ["DE89370400440532013000"]
    assert notes["reference"].description == ""
