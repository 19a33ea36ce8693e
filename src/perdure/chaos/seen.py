"""What is seen of a round: by those who ask for something, and by who looks at it afterwards."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from perdure.chaos.planned import Plan


@dataclass(slots=True)
class Seen:
    """What the caller of an operation was answered.

    Args:
        operation_ids: The operation's id, from each request that was answered 201.
        refusals: The code of each other answer.
        cancellation: `accepted` or `refused`, where it was cancelled; or an unforeseen code.
        refund: `accepted`, where it was refunded; or the code of the answer.
    """

    operation_ids: list[str] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    cancellation: str | None = None
    refund: str | None = None


@dataclass(slots=True)
class Storm:
    """What was done in a round, and what the caller saw.

    Args:
        wallets: The accounts, by their index in the plan.
        seen: By the operations' keys.
        kills: How many times each process was killed.
        read_only_s: How long the database could not be written to, in seconds.
        made: What was made for it before, by names of the kinds' own.
        released: Why operations waited for somebody who had them go on, or back, by their kind.
        is_over: All was sent, and the last kill is done.
    """

    plan: Plan
    wallets: list[str] = field(default_factory=list)
    seen: dict[str, Seen] = field(default_factory=dict)
    made: dict[str, str] = field(default_factory=dict)
    kills: Counter[str] = field(default_factory=Counter)
    read_only_s: float = 0.0
    released: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    is_over: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that must not be.

    Args:
        seed: The round's; None: it is of no one round.
        subject: The key of what was asked for, or what else it is about.
        operation_id: The operation's, where it is about one.
    """

    name: str
    seed: int | None
    subject: str
    operation_id: str | None
    detail: str
