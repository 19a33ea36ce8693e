"""The kinds that are installed, put together: one loop over all, for the house to ask.

A kind that is wrong ends the start, in one line that names it and what is wrong of it.
"""

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from perdure.capabilities import attribute, installed
from perdure.capability.declaration import Capability, Place
from perdure.capability.fields import unreadable_fields
from perdure.capability.traces import Traces
from perdure.capability.wiring import Host, Wiring, Work, WorkerHost
from perdure.core.errors import ConfigurationError
from perdure.core.gears import AskedGear
from perdure.durable.bulks.registration import BULKS
from perdure.durable.queues import LANES, OPERATIONS, provider_of, provider_queue
from perdure.operations.acceptance import Acceptance
from perdure.operations.janitor import Chore
from perdure.operations.kinds import KindActions, OperationKind, OperationKinds
from perdure.operations.lanes.store import interactive_lane, lane_of
from perdure.operations.model import Operation
from perdure.operations.refunding import RefundableKind, Refunds
from perdure.operations.steps import from_json
from perdure.operations.waiting import Patience

Own = TypeVar("Own")


def operation_kinds() -> OperationKinds:
    """Return the kinds of operation there are, with the house's own."""
    return OperationKinds(
        [
            *(OperationKind(one.name, one.id_prefix, one.workflow) for one in installed().values()),
            BULKS,
        ]
    )


def refundable_kinds() -> Mapping[str, RefundableKind]:
    """Return the kinds that can be refunded, by their names."""
    return {
        one.name: _piece(one, "refundable", one.refundable)
        for one in installed().values()
        if one.refundable is not None
    }


def kept_traces() -> list[Traces]:
    """Return what kinds keep of customers beside the operations that are theirs alone."""
    return [
        _called(one, "traces", one.traces)()
        for one in installed().values()
        if one.traces is not None
    ]


def kinds_with_lanes() -> frozenset[str]:
    """Return the names of the kinds of which a flood is carried out in lanes."""
    return frozenset(one.name for one in installed().values() if one.has_lane)


def pure_modules() -> list[str]:
    """Return the modules that a kind's workflow imports, and that neither touch nor keep anything.

    The sandbox lets them through: importing them for each workflow costs time, finds nothing.
    """
    packages = [one.request.__module__.rpartition(".")[0] for one in installed().values()]
    return [f"{package}.{name}" for package in packages for name in ("contracts", "rules")]


class Kinds:
    """The kinds of a process, wired.

    Raises:
        ConfigurationError: One of them is wrong.
    """

    def __init__(self, host: Host) -> None:
        self._capabilities = installed()
        self._wirings = {name: _wired(one, host) for name, one in self._capabilities.items()}
        self._lanes = host.settings.lanes
        self._gear, self._gears = host.settings.gear, host.settings.gears
        self._places = itertools.count()
        self._check_steps()
        for name, one in self._capabilities.items():
            if not one.is_created:
                continue
            if self._acceptance(name) is None:
                raise _wrong(one, "nothing of it is an Acceptance")
            if unreadable := unreadable_fields(one.request):
                raise _wrong(
                    one,
                    "a request's field is a text, a number, a bool, a StrEnum, a Literal, a date, a"
                    " datetime, a dataclass, or a list or tuple of these, and not"
                    f" {', '.join(unreadable)}",
                )

    def _check_steps(self) -> None:
        steps = Counter(step for wiring in self._wirings.values() for step in wiring.patience)
        for step, count in steps.items():
            if count > 1:
                raise ConfigurationError(
                    f"{count} capabilities say how long a step {step!r} waits; see that each has"
                    " names of its own."
                )

    @property
    def actions(self) -> dict[str, KindActions]:
        """What each kind offers to be corrected and relaunched, by its name."""
        return {name: wiring.actions for name, wiring in self._wirings.items()}

    @property
    def refunds(self) -> Refunds | None:
        """What takes refunds in, of any kind."""
        found = (wiring.refunds for wiring in self._wirings.values())
        return next((refunds for refunds in found if refunds is not None), None)

    @property
    def patience(self) -> dict[str, Patience]:
        """How long each step waits for a provider that gives nobody an answer."""
        return {
            step: patience
            for wiring in self._wirings.values()
            for step, patience in wiring.patience.items()
        }

    @property
    def chores(self) -> list[Chore]:
        """What the janitor has to look after."""
        return [chore for wiring in self._wirings.values() for chore in wiring.chores]

    @property
    def providers(self) -> list[str]:
        """The providers that have a queue of their own, with the others that are called."""
        # One may be called by several kinds.
        of_kinds = (name for wiring in self._wirings.values() for name in wiring.providers)
        return list(dict.fromkeys(of_kinds))

    @property
    def roles(self) -> dict[str, tuple[str, ...]]:
        """The roles of worker that kinds have for themselves, each with its queues."""
        return {
            role: tuple(queues)
            for wiring in self._wirings.values()
            for role, queues in wiring.roles.items()
        }

    @property
    def limited_providers(self) -> frozenset[str]:
        """All providers that may have a limit."""
        of_roles = (provider_of(queue) for queues in self.roles.values() for queue in queues)
        return frozenset([*self.providers, *filter(None, of_roles)])

    def acceptance(self, kind: str) -> Acceptance[Any]:
        """Return what takes operations of a kind in.

        Args:
            kind: One that is created by whoever asks for it.
        """
        found = self._acceptance(kind)
        assert found is not None, f"a {kind} is not asked for by itself"
        return found

    def _acceptance(self, kind: str) -> Acceptance[Any] | None:
        wiring = self._wirings[kind]
        found = wiring.acceptance or wiring.actions
        return found if isinstance(found, Acceptance) else None

    def own(self, kind_of: type[Own]) -> Own:
        """Return what a kind has of this type for its own routes, commands and activities."""
        for wiring in self._wirings.values():
            for found in (wiring.actions, wiring.acceptance, *wiring.own):
                if isinstance(found, kind_of):
                    return found
        raise ConfigurationError(f"No kind that is installed has a {kind_of.__name__}.")

    def lane_for(self, kind: str, request: Any, place: int | None = None) -> int | None:
        """Return the lane of a request that is one of many; None: its kind has no lanes.

        Args:
            place: Its place among those that come together: they are spread over all lanes, and not
                kept in their customers'.

        Raises:
            InvalidInput: The request is none that could be carried out.
        """
        if not self._capabilities[kind].has_lane:
            return None
        if (own := self._wirings[kind].lane_for) is not None:
            return own(request)
        return (
            place % self._lanes if place is not None else lane_of(request.customer_id, self._lanes)
        )

    def lane_in(self, gear: AskedGear | None, kind: str, request: Any) -> int | None:
        """Return the lane of a request by itself; None: it has a workflow of its own.

        Args:
            gear: What is to carry it out; None: what the settings say of its kind.

        Raises:
            InvalidInput: As `lane_for`.
        """
        asked = gear or self._gears.get(kind, self._gear)
        if asked == AskedGear.FLOOD:
            return self.lane_for(kind, request)
        in_worker = asked == AskedGear.AUTO and self._capabilities[kind].has_lane
        return interactive_lane(next(self._places)) if in_worker else None

    def flood_lane(self, kind: str, given: Mapping[str, Any]) -> int:
        """Return the lane for floods of an operation that is in another, given its input."""
        lane = self.lane_for(kind, from_json(self._capabilities[kind].request, given["request"]))
        assert lane is not None, f"a {kind} is in no lane"
        return lane

    def lane_again(self, operation: Operation) -> int | None:
        """Return the lane of an operation that is done again as one of many; as `lane_for`."""
        kind = self._capabilities.get(operation.kind)
        if kind is None or not kind.has_lane:
            return None
        return self.lane_for(kind.name, from_json(kind.request, operation.input["request"]))

    async def work(self, host: WorkerHost) -> dict[str, Work]:
        """Return what carries each kind's operations out, by its name.

        Those that are refunded come before those that are not: a refund is carried out at the
        providers of all of them.
        """
        works: dict[str, Work] = {}
        for one in sorted(self._capabilities.values(), key=lambda kind: not kind.is_refundable):
            refunds = {name: work.refunds for name, work in works.items() if work.refunds}
            try:
                work: Work = await _called(one, "work", one.work)(replace(host, refunds=refunds))
            except ConfigurationError as error:
                raise _named(one, error) from None
            _check_work(one, work, self._queues)
            works[one.name] = work
        _check_activities(works.values())
        return works

    @property
    def _queues(self) -> frozenset[str]:
        of_roles = [queue for queues in self.roles.values() for queue in queues]
        return frozenset([OPERATIONS, LANES, *map(provider_queue, self.providers), *of_roles])


def _check_work(one: Capability, work: Work, queues: frozenset[str]) -> None:
    names = {
        _definition(found, "workflow").name
        for part in work.registrations
        for found in part.workflows
    }
    if one.workflow not in names:
        raise _wrong(one, f"it has no workflow {one.workflow!r}, which it says it is run by")
    for part in work.registrations:
        if part.queue not in queues:
            raise _wrong(one, f"no worker polls the queue {part.queue!r} that it registers")
    if (work.lane is not None) != one.has_lane:
        raise _wrong(one, "its has_lane, and what its work gives back as its lane, do not agree")
    if (work.refunds is not None) != one.is_refundable:
        raise _wrong(one, "its refundable, and what its work gives back of it, do not agree")


def _check_activities(works: Iterable[Work]) -> None:
    names = Counter(
        (part.queue, _definition(found, "activity").name)
        for work in works
        for part in work.registrations
        for found in part.activities
    )
    for (queue, name), count in names.items():
        if count > 1:
            raise ConfigurationError(
                f"There are two activities {name!r} for the queue {queue!r}; see that each"
                " capability has names of its own."
            )


def _definition(found: Callable[..., Any], what: str) -> Any:
    # As Temporal's worker reads it; there is no public way.
    return getattr(found, f"__temporal_{what}_definition")


def _piece(one: Capability, what: str, place: Place) -> Any:
    try:
        return attribute(place)
    except Exception as error:
        raise _wrong(one, f"its {what} {place} cannot be loaded: {error!r}") from error


def _wired(one: Capability, host: Host) -> Wiring:
    try:
        wiring: Wiring = _called(one, "wire", one.wire)(host)
    except ConfigurationError as error:
        raise _named(one, error) from None
    return wiring


def _named(one: Capability, error: ConfigurationError) -> ConfigurationError:
    if one.plural in error.message:
        return error
    return ConfigurationError(f"The capability {one.plural}: {error.message}", param=error.param)


def _called(one: Capability, what: str, place: Place) -> Callable[..., Any]:
    found = _piece(one, what, place)
    if not callable(found):
        raise _wrong(one, f"its {what} {place} cannot be called")
    return found  # type: ignore[no-any-return]


def _wrong(one: Capability, told: str) -> ConfigurationError:
    return ConfigurationError(f"The capability {one.plural}: {told}.")
