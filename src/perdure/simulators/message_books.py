"""What the simulated mail server and SMS provider remember: attempts, and messages taken."""

from collections import Counter, defaultdict
from dataclasses import asdict, dataclass
from typing import Any

from perdure.simulators.gateway_books import DUPLICATES_SHOWN_MAX
from perdure.simulators.journal import Journal, Record


@dataclass(frozen=True, slots=True)
class Message:
    """A message that was taken for delivery.

    Args:
        key: By which repeats are known: a Message-ID, a reference.
    """

    id: str
    key: str
    to: str
    sender: str
    subject: str
    text: str
    accepted_at: float


class MessageBooks:
    """What a provider of messages knows, in memory, and how it came to be, in the journal."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._messages: list[Message] = []
        self._messages_of: defaultdict[str, list[Message]] = defaultdict(list)
        self._attempts: Counter[str] = Counter()
        self._duplicates: dict[str, int] = {}
        for record in journal.records():
            self._apply(record)

    async def sync(self) -> None:
        """Wait until everything so far is on the disk."""
        await self._journal.sync()

    def record_attempt(self, key: str) -> int:
        """Keep that somebody tried; returns how many times it had been tried before."""
        before = self._attempts[key]
        self._record({"kind": "attempt", "key": key})
        return before

    def record_message(self, message: Message) -> None:
        """Keep a message that is taken."""
        self._record({"kind": "message", **asdict(message)})

    def messages(self) -> list[Message]:
        """Return all messages, the oldest first."""
        return self._messages

    def messages_of(self, key: str) -> list[Message]:
        """Return the messages under a key, the oldest first."""
        return self._messages_of.get(key, [])

    def totals(self) -> dict[str, Any]:
        """Return counts; the cost does not grow with the books."""
        return {
            "attempts": self._attempts.total(),
            "messages": len(self._messages),
            "duplicates": {
                "count": len(self._duplicates),
                "references": list(self._duplicates)[:DUPLICATES_SHOWN_MAX],
            },
        }

    def _record(self, record: Record) -> None:
        self._journal.write(record)
        self._apply(dict(record))

    def _apply(self, record: Record) -> None:
        if record.pop("kind") == "attempt":
            self._attempts[record["key"]] += 1
            return
        message = Message(**record)
        self._messages.append(message)
        same = self._messages_of[message.key]
        same.append(message)
        if len(same) > 1:
            self._duplicates[message.key] = len(same)
