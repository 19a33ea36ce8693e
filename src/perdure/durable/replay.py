"""The replay gate: whether this code can carry on what is at Temporal, tried on a sample of it.

Histories are read and replayed here: nothing is run, and nothing is changed.
"""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import SystemRandom
from typing import Any, Final, TypeVar

from google.protobuf.message import Message
from temporalio import workflow
from temporalio.api.common.v1 import Payload
from temporalio.client import Client, WorkflowExecution, WorkflowHistory
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import Replayer

from perdure.core.errors import PayloadUnreadable

Group = TypeVar("Group")

LISTED_MAX: Final = 10_000
"""Of each type, so many are listed to draw from: the newest."""
_UNKNOWN_SHOWN: Final = 10
_ERASED: Final = "payload_key_erased"
_RUNNING: Final = "ExecutionStatus = 'Running'"
_CLOSED: Final = "ExecutionStatus != 'Running'"


@dataclass(frozen=True, slots=True)
class Failure:
    """A workflow that this code cannot carry on.

    Args:
        reason: `nondeterministic`, `unreadable`, `unknown_type` or `failed`.
    """

    workflow_id: str
    run_id: str
    type: str
    is_running: bool
    reason: str
    detail: str


@dataclass(slots=True)
class Report:
    """What came of a sample.

    Args:
        replayed: How many histories, by their type.
        erased: How many could not be read, as whose they were has been erased.
        gone: How many were deleted before they were read.
    """

    replayed: dict[str, int] = field(default_factory=dict)
    erased: int = 0
    gone: int = 0
    failures: list[Failure] = field(default_factory=list)


def shares(counts: Mapping[Group, int], sample: int) -> dict[Group, int]:
    """Return how many of each group are drawn: as many of one as of another, while there are."""
    left, drawn = sample, {}
    smallest_first = sorted(counts.items(), key=lambda group: group[1])
    for others, (group, count) in zip(range(len(counts), 0, -1), smallest_first, strict=True):
        drawn[group] = min(count, -(-left // others))
        left -= drawn[group]
    return drawn


class ReplayGate:
    """Draws workflows and replays them.

    Args:
        client: Of the namespace, with the payloads' codec.
        replayer: Has the code that is tried.
        workflows: The same, by class.
        queues: Those whose workflows are ours, as they are called at Temporal.
    """

    def __init__(
        self,
        client: Client,
        replayer: Replayer,
        workflows: Iterable[type[Any]],
        queues: Iterable[str],
    ) -> None:
        self._client = client
        self._replayer = replayer
        # The SDK has no public way to ask for the name.
        defined = workflow._Definition.must_from_class  # noqa: SLF001
        self._types = [defined(one).name or "" for one in workflows]
        self._ours = f"TaskQueue IN ({_listed(queues)})"

    async def replay(self, sample: int) -> Report:
        """Replay a sample of what runs and of what has ended, as much of each type.

        A type that runs and that this code does not have is a failure too.
        """
        report = Report()
        async for one in self._client.list_workflows(
            f"{self._ours} AND {_RUNNING} AND WorkflowType NOT IN ({_listed(self._types)})",
            limit=_UNKNOWN_SHOWN,
        ):
            detail = f"This code has no workflow {one.workflow_type}."
            report.failures.append(_failure(one, "unknown_type", detail))
        drawn: list[WorkflowExecution] = []
        histories = self._histories(await self._draw(sample), drawn, report)
        async with self._replayer.workflow_replay_iterator(histories) as results:
            async for result in results:
                one = drawn[-1]  # one after the other
                report.replayed[one.workflow_type] = report.replayed.get(one.workflow_type, 0) + 1
                if (error := result.replay_failure) is not None:
                    is_other_code = isinstance(error, workflow.NondeterminismError)
                    reason = "nondeterministic" if is_other_code else "failed"
                    report.failures.append(_failure(one, reason, str(error)))
        return report

    async def _draw(self, sample: int) -> list[WorkflowExecution]:
        queries = [
            f"{self._ours} AND WorkflowType = '{name}' AND {state}"
            for name in self._types
            for state in (_RUNNING, _CLOSED)
        ]
        counts = {query: (await self._client.count_workflows(query)).count for query in queries}
        drawn = []
        for query, share in shares(counts, sample).items():
            if share:
                listed = [one async for one in self._client.list_workflows(query, limit=LISTED_MAX)]
                drawn += SystemRandom().sample(listed, min(share, len(listed)))
        return drawn

    async def _histories(
        self, asked: Sequence[WorkflowExecution], drawn: list[WorkflowExecution], report: Report
    ) -> AsyncIterator[WorkflowHistory]:
        codec = self._client.data_converter.payload_codec
        for one in asked:
            handle = self._client.get_workflow_handle(one.id, run_id=one.run_id)
            try:
                history = await handle.fetch_history()
                if codec is not None:
                    await codec.decode([*_payloads_of(history.events)])
            except RPCError as error:
                if error.status != RPCStatusCode.NOT_FOUND:
                    raise
                report.gone += 1
            except PayloadUnreadable as error:
                if error.code == _ERASED:
                    report.erased += 1
                else:
                    report.failures.append(_failure(one, "unreadable", error.message))
            else:
                drawn.append(one)
                yield history


def _payloads_of(messages: Iterable[Message]) -> Iterator[Payload]:
    """Yield the payloads in messages, however deep."""
    for message in messages:
        if isinstance(message, Payload):
            yield message
            continue
        for told, value in message.ListFields():
            if told.message_type is None:
                continue
            if told.message_type.GetOptions().map_entry:
                found = [one for one in value.values() if isinstance(one, Message)]
            else:
                found = value if told.is_repeated else [value]
            yield from _payloads_of(found)


def _failure(one: WorkflowExecution, reason: str, detail: str) -> Failure:
    is_running = one.close_time is None
    return Failure(one.id, one.run_id, one.workflow_type, is_running, reason, detail)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
