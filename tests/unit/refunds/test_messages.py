"""What the customer is told of a refund."""

from perdure.notifications.contracts import Party
from perdure.refunds.contracts import RefundFailure, RefundInput, RefundRequest
from perdure.refunds.messages import failure_messages, success_messages

ADA = Party("Ada", "ada@example.com", "+15550100")
REQUEST = RefundRequest("cus_1", "pay_1", "payment", "acc_1", 1_250, "USD", "Not wanted.", ADA)
REFUND = RefundInput("rfd_1", REQUEST, "gateway", "sys_gateway_clearing_USD")


def test_the_customer_is_told_every_way_there_is() -> None:
    told = success_messages(REFUND)
    assert [message.recipient for message in told] == ["ada@example.com", "+15550100"]
    assert {message.subject for message in told} == {"You got 12.50 USD back"}
    assert "pay_1" in told[0].body


def test_a_failure_says_why_and_what_stands() -> None:
    for cancelled, word, why in ((False, "refused", "It is too late. "), (True, "called off", "")):
        (mail, _) = failure_messages(REFUND, RefundFailure("no", "It is too late.", cancelled))
        assert mail.subject == f"The refund of 12.50 USD was {word}"
        assert mail.body == f"{why}Your payment pay_1 stands."
