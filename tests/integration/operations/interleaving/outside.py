"""The world outside: a clock moved by hand, and providers that keep books of their own.

A provider does what it is asked as often as it is asked: that it is asked once is for the platform
to see to. Its answers come from the schedule.
"""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from perdure.core.errors import (
    CALL_UNDER_WAY,
    InvalidInput,
    ProviderDeclined,
    ProviderOutcomeUnknown,
    ProviderUnavailable,
)
from perdure.providers.bank import Payout

from .gates import Gates, Life

TIMEOUT_S = 5.0
AMOUNT_MINOR = 1_000


class Answer(StrEnum):
    """What becomes of one call."""

    DONE = "done"
    DECLINED = "declined"
    FAILED = "failed"
    """Taken, and booked as failed."""
    CUT_AFTER = "cut after the effect"
    CUT_BEFORE = "cut before the effect"
    BROKE_OFF_AFTER = "500 after the effect"
    BROKE_OFF_BEFORE = "503 before the effect"
    AWAY = "no connection"
    IN_USE_AFTER = "409 after the effect"
    IN_USE_BEFORE = "409 before the effect"
    REJECTED_AFTER = "400 after the effect"
    LIED = "done, and answered with another amount"
    SLOW = "arrives when its time-out is nearly over, whatever became of the caller"


_EFFECTIVE = {
    Answer.DONE,
    Answer.CUT_AFTER,
    Answer.BROKE_OFF_AFTER,
    Answer.SLOW,
    Answer.IN_USE_AFTER,
    Answer.REJECTED_AFTER,
    Answer.LIED,
}


@dataclass(slots=True, eq=False)
class Request:
    """A request on its way to a provider."""

    reference: str
    answer: Answer
    due: datetime
    has_arrived: bool = False


class Clock:
    """A clock that is moved by hand; requests under way arrive as it moves."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 21, tzinfo=UTC)
        self.wires: list[Wire] = []

    def __call__(self) -> datetime:
        return self.now

    def pass_s(self, seconds: float) -> None:
        self.pass_to(self.now + timedelta(seconds=seconds))

    def pass_to(self, moment: datetime) -> None:
        if moment > self.now:
            self.now = moment
            for wire in self.wires:
                wire.deliver_due()


class Wire:
    """The way to one provider.

    Args:
        effect: What an arriving request has the provider do.

    Attributes:
        sent: How many requests were sent.
    """

    def __init__(
        self,
        name: str,
        gates: Gates,
        clock: Clock,
        answers: Iterable[Answer],
        effect: Callable[[Request], None],
    ) -> None:
        self._name = name
        self._gates = gates
        self._clock = clock
        self._answers = deque(answers)
        self._effect = effect
        self._under_way: list[Request] = []
        self.sent = 0
        clock.wires.append(self)

    async def send(self, life: Life, reference: str) -> Answer:
        """Make a call; returns `DONE`, `DECLINED`, `FAILED` or `LIED`.

        Raises:
            InvalidInput: It is rejected.
            ProviderUnavailable: It did not get there.
            ProviderOutcomeUnknown: It may have.
        """
        answer = self._answers.popleft() if self._answers else Answer.DONE
        if answer == Answer.AWAY:
            await self._gates.reach(life, f"{self._name}: {answer}")
            raise ProviderUnavailable("No connection.")
        request = Request(reference, answer, self._clock.now + timedelta(seconds=TIMEOUT_S))
        self._under_way.append(request)
        self.sent += 1
        try:
            await self._gates.reach(life, f"{self._name}: request ({answer})")
            if answer != Answer.SLOW:
                self._arrive(request)
        finally:
            # Whoever dies with a request not sent takes it along; a slow one is under way.
            if answer != Answer.SLOW and request in self._under_way:
                self._under_way.remove(request)
        await self._gates.reach(life, f"{self._name}: answer ({answer})")
        if answer in (Answer.BROKE_OFF_AFTER, Answer.BROKE_OFF_BEFORE):
            raise ProviderOutcomeUnknown("It broke off.", in_flight=False)
        if answer in (Answer.IN_USE_AFTER, Answer.IN_USE_BEFORE):
            raise ProviderOutcomeUnknown("The key is in use.", code=CALL_UNDER_WAY)
        if answer == Answer.REJECTED_AFTER:
            raise InvalidInput("It makes no sense.")
        is_late = self._clock.now > request.due
        if is_late or answer in (Answer.CUT_AFTER, Answer.CUT_BEFORE, Answer.SLOW):
            raise ProviderOutcomeUnknown("The answer was lost.")
        return answer

    def deliver_due(self) -> None:
        """Have arrive what is to arrive by now."""
        for request in [each for each in self._under_way if each.due <= self._clock.now]:
            self._arrive(request)

    def _arrive(self, request: Request) -> None:
        if not request.has_arrived:
            request.has_arrived = True
            if request in self._under_way:
                self._under_way.remove(request)
            self._effect(request)


@dataclass(slots=True)
class Entry:
    """A line of a provider's book."""

    reference: str
    status: str
    amount_minor: int

    def payout(self) -> Payout:
        return Payout(f"po_{self.reference}", self.reference, self.amount_minor, "USD", self.status)


class Bank:
    """A bank that knows no repeats: each request that arrives is a payout.

    Args:
        answers: To payouts; `DONE` when they are used up.
        recalls: To recalls, likewise.
        inquiries: Whether the bank can be asked, likewise.
    """

    def __init__(
        self,
        gates: Gates,
        clock: Clock,
        answers: Iterable[Answer],
        recalls: Iterable[Answer],
        inquiries: Iterable[bool],
    ) -> None:
        self.gates = gates
        self.book: list[Entry] = []
        self.payouts = Wire("bank", gates, clock, answers, self._pay)
        self.recalls = Wire("recall", gates, clock, recalls, self._recall)
        self.inquiries = deque(inquiries)

    def _pay(self, request: Request) -> None:
        if request.answer in _EFFECTIVE:
            self.book.append(Entry(request.reference, "paid", AMOUNT_MINOR))
        elif request.answer == Answer.FAILED:
            self.book.append(Entry(request.reference, "failed", AMOUNT_MINOR))

    def _recall(self, request: Request) -> None:
        for entry in self.book if request.answer in _EFFECTIVE else ():
            if entry.reference == request.reference and entry.status == "paid":
                entry.status = "recalled"

    def first(self, reference: str) -> Payout | None:
        found = next((entry for entry in self.book if entry.reference == reference), None)
        return found.payout() if found else None


class BankClient:
    """The bank, as one process calls it."""

    def __init__(self, bank: Bank, life: Life) -> None:
        self._bank = bank
        self._life = life

    async def pay_out(
        self, *, reference: str, amount_minor: int, currency: str, destination: str
    ) -> Payout:
        answer = await self._bank.payouts.send(self._life, reference)
        if answer == Answer.DECLINED:
            raise ProviderDeclined("It says no.", code="account_closed")
        status = "failed" if answer == Answer.FAILED else "paid"
        if answer == Answer.LIED:
            amount_minor *= 100
        return Payout(f"po_{reference}", reference, amount_minor, currency, status)

    async def find_payout(self, reference: str) -> Payout | None:
        can_be_asked = self._bank.inquiries.popleft() if self._bank.inquiries else True
        await self._bank.gates.reach(self._life, "bank: inquiry")
        found = self._bank.first(reference)
        await self._bank.gates.reach(self._life, f"bank: inquiry finds {found and found.status}")
        if not can_be_asked:
            raise ProviderUnavailable("No connection.")
        return found

    async def recall_payout(self, reference: str) -> Payout:
        answer = await self._bank.recalls.send(self._life, reference)
        amount_minor = 1 if answer == Answer.LIED else AMOUNT_MINOR
        status = "failed" if (first := self._bank.first(reference)) is None else first.status
        return Payout(f"po_{reference}", reference, amount_minor, "USD", status)


class Sms:
    """A provider of text messages that sends what it is given, twice if asked twice."""

    def __init__(self, gates: Gates, clock: Clock, answers: Iterable[Answer]) -> None:
        self.gates = gates
        self.sent: list[str] = []
        self.texts = Wire("sms", gates, clock, answers, self._send)

    def _send(self, request: Request) -> None:
        if request.answer in _EFFECTIVE:
            self.sent.append(request.reference)


class SmsClient:
    """It, as one process calls it."""

    def __init__(self, sms: Sms, life: Life) -> None:
        self._sms = sms
        self._life = life

    async def send(self, *, reference: str, to: str, text: str) -> None:
        await self._sms.texts.send(self._life, reference)

    async def was_sent(self, reference: str) -> bool | None:
        await self._sms.gates.reach(self._life, "sms: inquiry")
        found = reference in self._sms.sent
        await self._sms.gates.reach(self._life, f"sms: inquiry finds {found}")
        return found
