"""Payments: money charged at a gateway."""

from typing import Final

from perdure.capability.declaration import Capability, Shown, in_result
from perdure.operations.model import Status
from perdure.payments.contracts import (
    ID_PREFIX,
    KIND,
    WORKFLOW,
    PaymentRequest,
    PaymentStatus,
)

_FAILED: Final = frozenset({Status.FAILED, Status.CANCELLED})


def public_status(status: Status) -> PaymentStatus:
    """Return a status in the four words callers know, as the payment's workflow tells it."""
    if status == Status.PENDING:
        return PaymentStatus.PENDING
    if status == Status.SUCCEEDED:
        return PaymentStatus.SUCCESS
    return PaymentStatus.FAIL if status in _FAILED else PaymentStatus.PROCESSING


PAYMENTS: Final = Capability(
    name=KIND,
    plural="payments",
    id_prefix=ID_PREFIX,
    workflow=WORKFLOW,
    help="Payments.",
    request=PaymentRequest,
    wire="perdure.payments.wiring:wire",
    work="perdure.payments.registration:work",
    settings="perdure.payments.settings:PaymentSettings",
    shows=(
        Shown("public_status", PaymentStatus, lambda payment: public_status(payment.status)),
        Shown(
            "charge_id",
            str | None,
            in_result("charge", "charge_id"),
            "The gateway's own id, once it has succeeded.",
        ),
    ),
    has_lane=True,
    refundable="perdure.payments.refunds:REFUNDABLE_PAYMENTS",
    invariants="perdure.payments.verify:INVARIANTS",
    books=("perdure.payments.verify:GATEWAY_BOOKS",),
    commands={"import": "perdure.cli.payments_import:import_file"},
)
