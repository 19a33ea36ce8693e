"""What a fraud scorer, an SMS provider and a mail server have to do."""

from collections.abc import Mapping

from perdure.core.errors import ProviderOutcomeUnknown, ProviderUnavailable, Refused
from perdure.providers.fraud_scorer import VERDICTS, FraudScore, FraudScorer
from perdure.providers.mail import Mail, Mailer
from perdure.providers.sms import SmsSender
from perdure.testing.provider_contract import Call, ProviderContract, error_of, new_reference
from perdure.testing.wire import CUT_AFTER, Wire


class FraudScorerContract(ProviderContract[FraudScorer]):
    """A scorer; see `provider_contract` for how it is inherited."""

    passes = ""
    """A payment method that it passes."""
    fails = ""
    """A payment method that it does not."""

    def acts(self, provider: FraudScorer) -> Mapping[str, Call]:  # noqa: ARG002 - none
        """Return nothing: a judgement has no effect."""
        return {}

    def reads(self, provider: FraudScorer) -> Mapping[str, Call]:
        """Return what has no effect."""
        return {"score": lambda: self._score(provider, self.passes, new_reference())}

    async def _score(self, scorer: FraudScorer, payment_method: str, reference: str) -> FraudScore:
        return await scorer.score(
            reference=reference,
            customer_id="cus_1",
            amount_minor=1250,
            currency="EUR",
            payment_method=payment_method,
        )

    async def test_a_judgement_is_about_what_was_asked(self, provider: FraudScorer) -> None:
        """And the same when it is asked for again."""
        for payment_method, verdict in ((self.passes, "pass"), (self.fails, "fail")):
            reference = new_reference()
            scores = [await self._score(provider, payment_method, reference) for _ in range(2)]
            assert scores[0] == scores[1]
            assert (scores[0].reference, scores[0].verdict) == (reference, verdict)
            assert scores[0].verdict in VERDICTS


class SmsSenderContract(ProviderContract[SmsSender]):
    """An SMS provider; see `provider_contract` for how it is inherited."""

    takes = ""
    """A number that is sent to."""
    rejects = ""
    """A number that is never sent to."""
    can_be_asked = True
    """Whether it tells what it sent."""

    def acts(self, provider: SmsSender) -> Mapping[str, Call]:
        """Return what acts with its first request."""
        return {"send": lambda: self._send(provider, new_reference())}

    def reads(self, provider: SmsSender) -> Mapping[str, Call]:
        """Return what has no effect."""
        if not self.can_be_asked:
            return {}
        return {"was_sent": lambda: provider.was_sent(new_reference())}

    async def _send(self, sms: SmsSender, reference: str, to: str = "") -> None:
        await sms.send(reference=reference, to=to or self.takes, text="Hello")

    async def test_a_text_is_sent_and_known_of(self, wire: Wire, provider: SmsSender) -> None:
        """Also where the answer is lost."""
        sent, lost, rejected = new_reference(), new_reference(), new_reference()
        await self._send(provider, sent)
        with wire.fault(CUT_AFTER, acts_only=True):
            error = await error_of(self._send(provider, lost))
        assert isinstance(error, ProviderOutcomeUnknown), repr(error)
        refusal = await error_of(self._send(provider, rejected, self.rejects))
        assert isinstance(refusal, Refused), repr(refusal)
        assert refusal.code == "sms_rejected"
        known = [await provider.was_sent(reference) for reference in (sent, lost, rejected)]
        assert known == ([True, True, False] if self.can_be_asked else [None] * 3)


class MailerContract:
    """A mail server: inherit it, and write the fixtures `mailer` and `mailer_without_server`."""

    rejects = ""
    """An address that is never sent to."""
    can_be_asked = True
    """Whether it tells what it took."""

    async def test_a_mail_is_taken_and_known_of(self, mailer: Mailer) -> None:
        """And one to nobody is refused for good."""
        await mailer.check()
        await mailer.send(_mail("ada@example.org", "<sent@perdure.example>"))
        error = await error_of(mailer.send(_mail(self.rejects, "<rejected@perdure.example>")))
        assert isinstance(error, Refused), repr(error)
        assert error.code == "mail_rejected"
        known = [await mailer.was_sent(f"<{name}@perdure.example>") for name in ("sent", "never")]
        assert known == ([True, False] if self.can_be_asked else [None, None])

    async def test_nobody_there_is_unavailable(self, mailer_without_server: Mailer) -> None:
        """Nothing was taken."""
        mail = _mail("ada@example.org", "<1@perdure.example>")
        for call in (mailer_without_server.check(), mailer_without_server.send(mail)):
            error = await error_of(call)
            assert type(error) is ProviderUnavailable, repr(error)


def _mail(to: str, message_id: str) -> Mail:
    return Mail(message_id, to, "A subject", "A text.\n", "us@perdure.example")
