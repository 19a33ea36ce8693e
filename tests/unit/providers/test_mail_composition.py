import pytest

from perdure.core.errors import Refused
from perdure.providers.mail import Mail, SmtpMailer


@pytest.mark.parametrize(
    ("to", "subject"),
    [
        ("ada@example.org\r\nBcc: eve@example.org", "Hello"),
        ("ada@example.org", "Hello\r\nBcc: eve@example.org"),
        ("ada", "Hello"),
        ("adä@example.org", "Hello"),
    ],
)
async def test_a_mail_that_cannot_be_written_is_refused_before_connecting(
    to: str, subject: str
) -> None:
    # Nothing listens on port 9: reaching it would be another error.
    sender = SmtpMailer("127.0.0.1", 9, timeout_s=1)
    with pytest.raises(Refused) as caught:
        await sender.send(Mail("<1@example.org>", to, subject, "Text", "us@example.org"))
    assert caught.value.code == "mail_rejected"


async def test_without_an_inquiry_nobody_can_tell() -> None:
    assert await SmtpMailer("127.0.0.1", 9).was_sent("<1@example.org>") is None
