"""Whoever is told of an operation is told by which name it was asked for."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from perdure.capability.contracts import Failure
from perdure.notifications.contracts import Message, Party
from perdure.payments import messages as payments
from perdure.payments.contracts import ClosePayment, PaymentInput, PaymentRequest
from perdure.refunds import messages as refunds
from perdure.refunds.contracts import RefundFailure, RefundInput, RefundRequest
from perdure.renewals import messages as renewals
from perdure.renewals.contracts import (
    CloseRenewal,
    Fee,
    RenewalInput,
    RenewalReport,
    RenewalRequest,
)
from perdure.transfers import funding as transfers
from perdure.transfers.contracts import (
    CloseTransfer,
    PayoutOutcome,
    SettleTransfer,
    TransferInput,
    TransferRequest,
)

ADA = Party("Ada", "ada@example.com", "+15550100")
WHY = ("card_declined", "The card was declined.")
PAYMENT = PaymentInput(
    "pay_1", PaymentRequest("cus_1", "acc_1", 1_250, "USD", "tok_ok", ADA, ADA, reference="rent")
)
TRANSFER = TransferInput(
    "tfr_1", TransferRequest("cus_1", "acc_1", 1_250, "USD", "DE89", ADA, reference="rent")
)
RENEWAL = RenewalInput(
    "rnw_1",
    RenewalRequest("cus_1", "example.info", 1, "acc_1", customer=ADA, reference="rent"),
    "registry-info",
    "2030-01-31",
)
REFUND = RefundInput(
    "rfd_1",
    RefundRequest(
        *("cus_1", "pay_1", "payment", "acc_1", 1_250, "USD", "Not wanted.", ADA), reference="rent"
    ),
    "gateway",
    "sys_gateway_clearing_USD",
)
PAYOUT = PayoutOutcome("po_1", "paid")
FEE = Fee(1_250, "USD")
REPORT = RenewalReport("ren_1", "2031-01-31", 1_250, "USD", "active")


@pytest.mark.parametrize(
    ("given", "tell"),
    [
        (PAYMENT, payments.success_messages),
        (PAYMENT, lambda given: payments.failure_messages(ClosePayment(given, Failure(*WHY)))),
        (TRANSFER, lambda given: transfers.success(SettleTransfer(given, PAYOUT)).messages),
        (TRANSFER, lambda given: transfers.failure_messages(CloseTransfer(given, Failure(*WHY)))),
        (RENEWAL, lambda given: renewals.success_messages(given, FEE, REPORT)),
        (RENEWAL, lambda given: renewals.standing_messages(given, FEE, REPORT)),
        (RENEWAL, lambda given: renewals.failure_messages(CloseRenewal(given, Failure(*WHY)))),
        (REFUND, refunds.success_messages),
        (REFUND, lambda given: refunds.failure_messages(given, RefundFailure(*WHY))),
    ],
)
def test_every_message_carries_the_reference_f26(
    given: Any, tell: Callable[[Any], list[Message]]
) -> None:
    unnamed = tell(replace(given, request=replace(given.request, reference=None)))
    told = tell(given)
    assert {message.channel for message in told} == {"email", "sms"}
    for message, without in zip(told, unnamed, strict=True):
        assert message.subject == f"{without.subject} (rent)"
        assert message.body == f"{without.body} Reference: rent"
        assert "rent" not in without.subject + without.body
