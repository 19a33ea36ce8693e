"""What a kind of operation says of itself; everything else asks for it here.

A folder exports one `Capability`. What takes Temporal, the database or FastAPI is named by a
string, `module:attribute`, and imported by whoever needs it: the API does not import workflows, and
a command imports nothing of a kind that it is not about.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from perdure.flags.model import Attribute
from perdure.operations.model import Operation
from perdure.storage.declared import CustomersRows

Place = str
"""`module:attribute`, imported when it is needed."""


@dataclass(frozen=True, slots=True)
class Code:
    """An error's code that the API answers with.

    Args:
        status: The HTTP status that it comes with.
        meaning: In one sentence.
        of: The actions that can be answered so, `create` and `refund`; a route of its own names
            its codes itself.
    """

    status: int
    meaning: str
    of: tuple[str, ...] = ("create",)


@dataclass(frozen=True, slots=True)
class Shown:
    """A field of the view that the request does not have: what came of the operation, say.

    Args:
        type: As an annotation: `str | None`, `date`.
        read: Reads it from the operation's row.
        beside_status: It says more of the status, and is shown next to it; otherwise after the
            request's fields.
        in_list: It has a column in the command's list.
    """

    name: str
    type: Any
    read: Callable[[Operation], Any]
    description: str = ""
    beside_status: bool = False
    in_list: bool = False


def in_result(*path: str) -> Callable[[Operation], Any]:
    """Return what reads a value of an operation's result; None until there is one."""

    def read(operation: Operation) -> Any:
        found: Any = operation.result
        for name in path:
            found = (found or {}).get(name)
        return found

    return read


@dataclass(frozen=True, slots=True, kw_only=True)
class Capability:
    """A kind of operation.

    Args:
        name: What one is called; as in `operations.kind`: `transfer`.
        plural: What several are called: the API's path and tag, the command's group, and the
            scopes of one that is created (`transfers:read`, `transfers:write`).
        id_prefix: The first part of its ids: `tfr`.
        workflow: The name of its workflow.
        help: One line for people who look for it.
        request: The dataclass of what is asked for; its fields carry a `Note`.
        wire: Called with a `Host` in every process, returns a `Wiring`.
        work: Called with a `WorkerHost` in a worker, and awaited, returns its `Work`.
        calls: The systems that it calls, each a `Role`.
        outside: Where that is not known before: called with the `Settings`, returns each as a
            `Use`.
        remarks: What is to be known of an action beyond what holds for every kind, by its name:
            `create`, `cancel`, `refund`.
        shows: The fields of the view beside the request's and those that every operation has; one
            with a request's name takes its place.
        codes: The errors that are its own, by their codes; those of accounts, amounts and dates
            that every kind has are known.
        amount_field: The view's field with the money that one moves, in minor units of its
            `currency`; null until it is known. None: one moves no money.
        tags: What its own routes are about, by their tags beside its plural.
        scopes: What else its own routes ask for: `orders:read`.
        house_scopes: What they ask for that no customer may have.
        is_created: Whether the API and the CLI create it. A refund is asked for at what it refunds.
        has_lane: Whether a flood of them is carried out in lanes.
        refundable: A `RefundableKind`, where one that has succeeded can be given back.
        engine_flag: The flag that says which system takes one, where another does too.
        routed_by: What that flag's rules may name of one, beside its kind and customer; whoever
            takes one in gives their values to `EngineRouting.decide`.
        legacy: How that other carries it out, a `LegacyWay`.
        indexes: Those of tables that may be large, which `perdure migrate` builds beside the work:
            what each is on, by its name.
        customers_rows: Which rows of its own tables, and which more of others, are a customer's:
            its key is shown these alone, by the database.
        invariants: What `verify` checks of it: each one's name and query.
        books: Its providers' own books, which `verify` compares with ours: each a `Books`.
        traces: What it keeps of customers beside the operations that are theirs alone: called with
            nothing, returns a `Traces`.
        chaos: How chaos and the soak make it, a `Load`; None: they do not.
        schedules: What it does by itself, again and again: each a `Recurring`, by its name.
        doctor: Called with the pool, and awaited, returns the `Finding`s of `perdure doctor`.
        demo: The command that shows it, alone or with others: `perdure demo`, and its name.
        example: Called with the `Settings`, returns what a first request asks for, beside the
            account that pays; `perdure up` shows the first kind's.
        routes: API routers beside those of every kind.
        before_serving: What they need is looked at with the settings before the API serves; raises
            `ConfigurationError`.
        commands: Commands in its own group beside those of every kind, by name.
        groups: Commands and groups of commands beside its own, by name.
    """

    name: str
    plural: str
    id_prefix: str
    workflow: str
    help: str
    request: type
    wire: Place
    work: Place
    calls: tuple[Place, ...] = ()
    outside: Place | None = None
    remarks: Mapping[str, str] = field(default_factory=dict)
    shows: tuple[Shown, ...] = ()
    codes: Mapping[str, Code] = field(default_factory=dict)
    amount_field: str | None = "amount_minor"
    tags: Mapping[str, str] = field(default_factory=dict)
    scopes: tuple[str, ...] = ()
    house_scopes: tuple[str, ...] = ()
    is_created: bool = True
    has_lane: bool = False
    refundable: Place | None = None
    engine_flag: str | None = None
    routed_by: tuple[Attribute, ...] = ()
    legacy: Place | None = None
    indexes: Mapping[str, str] = field(default_factory=dict)
    customers_rows: tuple[CustomersRows, ...] = ()
    invariants: Place | None = None
    books: tuple[Place, ...] = ()
    traces: Place | None = None
    chaos: Place | None = None
    schedules: Mapping[str, Place] = field(default_factory=dict)
    doctor: Place | None = None
    demo: Place | None = None
    example: Place | None = None
    routes: tuple[Place, ...] = ()
    before_serving: Place | None = None
    commands: Mapping[str, Place] = field(default_factory=dict)
    groups: Mapping[str, Place] = field(default_factory=dict)

    @property
    def a_name(self) -> str:
        """What one is called where a sentence begins with it: `A transfer`."""
        return f"{self.one[0].upper()}{self.one[1:]}"

    @property
    def one(self) -> str:
        """What one is called within a sentence: `a transfer`, `an onboarding`."""
        return f"{'an' if self.name[0] in 'aeiou' else 'a'} {self.name}"

    @property
    def is_refundable(self) -> bool:
        """Whether one that has succeeded can be given back."""
        return self.refundable is not None
