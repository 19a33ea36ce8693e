"""What chaos and the soak have to know of a kind, as the kind declares it (`Capability.chaos`)."""

from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from perdure.bootstrap import Platform
from perdure.capabilities import attribute, installed
from perdure.chaos.client import PersistentClient
from perdure.chaos.dice import Dice
from perdure.chaos.planned import Asked, Planned
from perdure.chaos.seen import Finding, Storm
from perdure.cli.machine import Machine, SimulatorOptions
from perdure.ledger.chart import SystemAccount


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that a provider did, as its own books say.

    Args:
        reference: The operation's id, by which we asked for it.
        status: As the provider calls it.
        kept_minor: What it has, or was paid, or bills, of the operation's money.
        is_open: It may still become this or that.
    """

    reference: str
    status: str
    kept_minor: int
    is_open: bool = False


@dataclass(frozen=True, slots=True)
class ProviderBooks:
    """What a provider lists of what it did, where an operation has at most one of each.

    Args:
        role: The provider's, as it declares itself.
        path: Where it lists them, in pages.
        what: What they are, in findings: `charges`.
        effect: Reads an entry.
    """

    role: str
    path: str
    what: str
    effect: Callable[[Mapping[str, Any]], Entry]


def asks_for(
    name: str,
    weights: Mapping[str, int],
    *,
    never_succeed: Collection[str] = (),
    park: Collection[str] = (),
) -> Callable[[Dice], Asked]:
    """Return what decides an operation that asks for an amount, and tells one customer.

    Args:
        name: The field of the request by which its provider treats it.
        weights: What that says, and how often.
        never_succeed: Of these, those whose operations must not succeed.
        park: Of these, those whose operations wait for a person.
    """

    def ask(dice: Dice) -> Asked:
        amount_minor, method = dice.amount_minor(), dice.weighted(weights)
        customer = dice.contact()
        return Asked(
            amount_minor=amount_minor,
            method=method,
            body={
                "amount_minor": amount_minor,
                "currency": "USD",
                name: method,
                "customer": customer.party("Customer"),
            },
            customer=customer,
            never_succeeds=method in never_succeed,
            parks=method in park,
        )

    return ask


def kept_while(status: str) -> Callable[[Mapping[str, Any]], Entry]:
    """Return what reads an entry whose amount the provider has as long as it stands so."""

    def read(entry: Mapping[str, Any]) -> Entry:
        kept_minor = entry["amount_minor"] if entry["status"] == status else 0
        return Entry(entry["reference"], entry["status"], kept_minor)

    return read


@dataclass(frozen=True, slots=True)
class Part:
    """A kind's part of a round.

    Args:
        planned: Its operations.
    """

    planned: Sequence[Planned]
    storm: Storm
    machine: Machine
    platform: Platform


@dataclass(slots=True)
class Outcome:
    """What became of a kind's part of a round.

    Args:
        accepted: How many of what was asked for there are.
        counts: How many ended how.
    """

    accepted: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """How operations of a kind are made without end, and what became of them is looked at.

    Args:
        usual: How many a round has where nobody says.
        by: What is asked for in place of its operations, by the plural of that: orders, which lead
            to them; empty: they are.
        ask: Decides what one asks for, and says what must come of it.
        body: What its request says, for what was made of the round; None: as `asked` says, of the
            round's customer, from one of its wallets.
        taken_by: The house's account that the money goes to; None: it moves none.
        owes_all: What its providers have is all that we owe on that account.
        books: What its providers list.
        settings: Environment variables, so that what goes wrong is found out within a round.
        options: More of the command lines of simulators, by their names.
        prepare: Awaited before a round's operations are asked for.
        is_looked_into: The SQL condition on a row of `operations` by which one that has ended is
            not over yet.
        attend: What a person does meanwhile, until nothing is left to be done.
        unsettled: The SQL condition by which something else of the customers `$1` is not over.
        look: Looks at what became of what was asked for, where that is not an operation each; given
            how many messages each recipient got.
    """

    usual: int
    by: str = ""
    ask: Callable[[Dice], Asked]
    body: Callable[[Planned, Storm], dict[str, Any]] | None = None
    taken_by: SystemAccount | None = None
    owes_all: bool = False
    books: tuple[ProviderBooks, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    options: SimulatorOptions = field(default_factory=dict)
    prepare: Callable[[Part, PersistentClient], Awaitable[None]] | None = None
    is_looked_into: str = "false"
    attend: Callable[[Part, PersistentClient], Coroutine[Any, Any, None]] | None = None
    unsettled: str = "false"
    look: Callable[[Part, Mapping[str, int]], Awaitable[Outcome]] | None = None


def loads() -> dict[str, Load]:
    """Return how each kind that says so is made, by its plural."""
    return {one.plural: attribute(one.chaos) for one in installed().values() if one.chaos}


def parts(storm: Storm, machine: Machine, platform: Platform) -> list[tuple[Load, Part]]:
    """Return what each kind has to do with a round in which it has a part."""
    found = []
    for kind, load in loads().items():
        planned = [each for each in storm.plan.operations if each.kind == kind]
        if planned:
            found.append((load, Part(planned, storm, machine, platform)))
    return found
