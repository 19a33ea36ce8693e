"""Where the work of a kind's steps is done: the queue, the activity's name and its types."""

from typing import Any

import pytest
from temporalio import activity

from perdure.core.errors import ConfigurationError
from perdure.core.script import Bodies
from perdure.durable.interceptors.operation_sync import records_its_attempts, records_itself
from perdure.durable.queues import OPERATIONS
from perdure.durable.registration import registrations_of
from tests.unit.fake_script import FIND_OUT, GRANT, HOLD, WAIT, Granted, Wish, run_wish


async def work(given: Any) -> Any:
    return given


@records_its_attempts
async def recording(given: Any) -> Any:
    return given


async def no_script() -> None: ...


BODIES: Bodies = {HOLD: work, GRANT: recording, FIND_OUT: work, WAIT: work}


def test_a_step_without_a_body_ends_the_start_and_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"wish\.close, .*wish\.take_back; .* run_wish"):
        registrations_of(run_wish, [], BODIES, providers=[])


def test_steps_are_activities_of_their_names_where_their_work_is_done() -> None:
    made = registrations_of(no_script, [], BODIES, providers=["a", "b"])
    found = {
        (part.queue, definition.name): (definition.arg_types, definition.ret_type, records)
        for part in made
        for function in part.activities
        if (definition := activity._Definition.must_from_callable(function))
        and (records := records_itself(function)) is not None
    }
    at_provider = {
        GRANT.name: ([Wish], str, True),
        FIND_OUT.name: ([Wish], Granted, False),
    }
    assert found == {
        (OPERATIONS, HOLD.name): ([Wish], str, True),
        **{("provider-a", name): types for name, types in at_provider.items()},
        **{("provider-b", name): types for name, types in at_provider.items()},
    }
