"""Payments: money charged at a gateway."""

from typing import Final

from perdure.capability.declaration import Capability, Code, Shown, in_result
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
    help="Payments: money from a customer's account, by a charge at the gateway.",
    request=PaymentRequest,
    wire="perdure.payments.wiring:wire",
    work="perdure.payments.registration:work",
    calls=(
        "perdure.providers.gateway:GATEWAY_ROLE",
        "perdure.providers.fraud_scorer:FRAUD_SCORER_ROLE",
    ),
    shows=(
        Shown(
            "public_status",
            PaymentStatus,
            lambda payment: public_status(payment.status),
            "The same in four words.",
            beside_status=True,
        ),
        Shown(
            "charge_id",
            str | None,
            in_result("charge", "charge_id"),
            "The gateway's own id, once it has succeeded.",
        ),
    ),
    codes={
        "workflow_not_found": Code(
            404, "It has no workflow: it has not begun, or it is in a lane.", of=()
        ),
        "workflow_not_answering": Code(503, "No worker answers for its workflow now.", of=()),
        "malformed_callback": Code(400, "The callback is not one of the gateway's.", of=()),
        "invalid_signature": Code(401, "The callback's signature is not ours.", of=()),
        "stale_callback": Code(401, "The callback was signed too long ago.", of=()),
    },
    has_lane=True,
    refundable="perdure.payments.refunds:REFUNDABLE_PAYMENTS",
    invariants="perdure.payments.verify:INVARIANTS",
    books=("perdure.payments.verify:GATEWAY_BOOKS",),
    chaos="perdure.payments.chaos:LOAD",
    doctor="perdure.payments.doctor:look",
    demo="perdure.payments.demo:payments",
    example="perdure.payments.example:first_payment",
    routes=("perdure.payments.routes:router", "perdure.payments.routes:callbacks"),
    before_serving="perdure.payments.routes:check_gateway",
    commands={"import": "perdure.payments.commands:import_file"},
)
