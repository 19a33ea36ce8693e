"""An operation's story in plain words, from its trail and its attempts; pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from perdure.console.words import lasting, plain, titled
from perdure.operations.model import Status, StepAttempt, TrailEntry
from perdure.operations.reporting import CallRecord
from perdure.operations.store import SYSTEM

_TOLD: Final[Mapping[str, str]] = {
    "accepted": "It was taken in",
    "cancel_requested": "It was asked to stop",
    "closed": "What it did is undone, and it is over",
    "corrected": "What was asked for was corrected",
    "parked": "It stopped, for somebody to look at it",
    "refund_accepted": "It was taken in, to give something back",
    "refund_requested": "It is to be given back",
    "relaunch_accepted": "It was taken in, to do another one again",
    "relaunched": "It was relaunched",
    "released": "It was released, and goes on",
    "resumed": "It was resumed, and goes on",
    "reversal_begun": "What it did is being undone",
    "settled": "It is done, and the money is where it belongs",
}
"""What the house's own entries of a trail say; others are said by their names."""
_LINKS: Final[Mapping[str, str]] = {
    "relaunch_of": "again for",
    "relaunched_as": "as",
    "refund_of": "for",
    "refund": "by",
}


@dataclass(frozen=True, slots=True)
class Sentence:
    """Something that happened.

    Args:
        by: Who did it; None: the platform by itself.
        links: Other operations that it names: the words before, and the id.
    """

    at: datetime
    status: Status
    text: str
    by: str | None
    reason: str | None
    links: tuple[tuple[str, str], ...]
    data: Mapping[str, Any] | None


def tell(trail: list[TrailEntry]) -> list[Sentence]:
    """Return what happened, oldest first."""
    return [*_sentences(trail)]


def _sentences(trail: list[TrailEntry]) -> Iterator[Sentence]:
    for entry in trail:
        data = dict(entry.data or {})
        links = tuple(
            (words, data.pop(name))
            for name, words in _LINKS.items()
            if isinstance(data.get(name), str)
        )
        yield Sentence(
            at=entry.at,
            status=entry.status,
            text=_TOLD.get(entry.action) or titled(entry.action),
            by=None if entry.actor == SYSTEM else entry.actor,
            reason=entry.reason,
            links=links,
            data=data or None,
        )


@dataclass(frozen=True, slots=True)
class Step:
    """A step, with each attempt at it and its calls to the outside."""

    name: str
    attempts: list[StepAttempt]
    calls: list[CallRecord]

    @property
    def outcome(self) -> str:
        """How the last attempt ended."""
        return self.attempts[-1].outcome if self.attempts else self.calls[-1].state

    @property
    def lasted(self) -> str | None:
        """How long it took from its first attempt to the end of its last; None: it goes on."""
        if not self.attempts or self.attempts[-1].finished_at is None:
            return None
        began, ended = self.attempts[0].started_at, self.attempts[-1].finished_at
        return lasting((ended - began).total_seconds())


def steps_of(attempts: list[StepAttempt], calls: list[CallRecord]) -> list[Step]:
    """Return each step with its attempts and calls, in the order in which they began."""
    found: dict[str, Step] = {}
    for attempt in attempts:
        found.setdefault(attempt.step, Step(attempt.step, [], [])).attempts.append(attempt)
    for call in calls:
        name = call.step if call.step in found else call.step.rpartition(".")[2]
        found.setdefault(name, Step(name, [], [])).calls.append(call)
    return [*found.values()]


def summary(kind: str, status: Status, sentences: list[Sentence]) -> str:
    """Return in one line how it came to where it stands, as one would tell the customer."""
    told = [f"{sentences[0].at:%Y-%m-%d %H:%M} UTC: {plain(kind)} taken in"] if sentences else []
    before = Status.PENDING
    for one in sentences[1:]:
        if one.status != before:
            told.append(f"{one.at:%H:%M} {plain(one.status)}")
            before = one.status
        told += [f"{words} {name}" for words, name in one.links if words == "as"]
    return f"{'; '.join(told)}. Where it stands now: {plain(status)}."
