"""What happens after an onboarding has succeeded: the follow-up, and a check made again."""

from datetime import timedelta
from uuid import uuid4

from temporalio.client import WorkflowExecutionStatus

from perdure.core.clock import utc_now
from perdure.durable.queues import OPERATIONS
from perdure.identity.contracts import CheckOptions, recheck_workflow_id
from perdure.onboarding.acceptance import OnboardingAcceptance
from perdure.onboarding.contracts import (
    FOLLOW_UP_WORKFLOW,
    OnboardingOptions,
    OnboardingRequest,
    follow_up_workflow_id,
)
from perdure.profiles import store as profiles
from perdure.storage.pool import transaction
from tests.polls import eventually

from .office import Office


async def test_a_follow_up_is_kept_over_a_restart_of_the_workers_e1(office: Office) -> None:
    found = await office.onboard()
    await office.end_of(found)
    await eventually(lambda: _has_workflow(office, found))
    await office.restart_workers()
    handle = office.platform.client.get_workflow_handle(follow_up_workflow_id(found))
    assert await handle.result() is True
    assert "customer_follow_up:email" in await office.told(found)
    assert (await office.actions(found)).count("followed_up") == 1


async def test_a_follow_up_is_dropped_where_the_customer_has_left_e1(office: Office) -> None:
    found = await office.onboard()
    operation = await office.end_of(found)
    async with transaction(office.platform.pool) as connection:
        await profiles.close_profile(connection, operation.customer_id)
    # Another than the one that is due some time, so that nothing hangs on which comes first.
    is_told = await office.platform.client.execute_workflow(
        FOLLOW_UP_WORKFLOW,
        found,
        id=f"{follow_up_workflow_id(found)}-now",
        task_queue=office.platform.queues[OPERATIONS],
    )
    assert is_told is False
    assert "follow_up_dropped" in await office.actions(found)


async def test_what_is_still_to_come_keeps_no_erasure_waiting_e1(office: Office) -> None:
    customer_id = f"cus_{uuid4().hex[:8]}"
    request = OnboardingRequest(
        customer_id, "Ada Waits", "ada@example.com", "1990-12-10", "FR", link_bank=False
    )
    options = OnboardingOptions(CheckOptions(0.2), follow_up_s=86_400)
    async with transaction(office.platform.pool) as connection:
        accepted = await OnboardingAcceptance(options).accept(connection, request, actor="tests")
    await office.platform.operations.begin(accepted)
    found = accepted.id
    in_a_month = (utc_now() + timedelta(days=30)).isoformat()
    await office.decide(found, "approved", approved_until=in_a_month)
    await office.end_of(found)
    await eventually(lambda: _has_workflow(office, found))
    await eventually(lambda: _has_recheck(office, found))
    asked = await office.api.post(
        f"/v1/customers/{customer_id}/erasure", json={"reason": "Asked for it."}
    )
    assert asked.status_code == 201, asked.text
    assert (await office.end_of(asked.json()["id"])).status == "succeeded"
    client = office.platform.client
    for workflow_id in (follow_up_workflow_id(found), recheck_workflow_id(found, 1)):
        left = await client.get_workflow_handle(workflow_id).describe()
        assert left.status == WorkflowExecutionStatus.TERMINATED
    assert await office.check(f"{found}-again-1") is None


async def test_an_approval_that_ends_has_the_customer_checked_again_e1(office: Office) -> None:
    found = await office.onboard("Ada Waits")
    await office.decide(found, "approved", approved_until=_soon())
    operation = await office.end_of(found)
    await office.decide(f"{found}-again-1", "approved", approved_until=_soon())
    await eventually(lambda: _has_done(office, found, "identity_approved", times=2))
    assert "identity_lapsed" not in await office.actions(found)
    # Who is not approved any more is no active customer; of the money a person decides.
    await office.decide(f"{found}-again-2", "declined")
    await eventually(lambda: _has_done(office, found, "identity_lapsed"))
    assert await office.standing(operation) == ("closed", {"USD open"})


def _soon() -> str:
    return (utc_now() + timedelta(seconds=0.5)).isoformat()


async def _has_workflow(office: Office, operation_id: str) -> bool:
    return bool(
        await office.platform.pool.fetchval(
            "SELECT follow_up_begun_at FROM onboardings WHERE operation_id = $1", operation_id
        )
    )


async def _has_recheck(office: Office, operation_id: str) -> bool:
    return bool(
        await office.platform.pool.fetchval(
            "SELECT recheck_started_at FROM identities WHERE operation_id = $1", operation_id
        )
    )


async def _has_done(office: Office, operation_id: str, action: str, *, times: int = 1) -> bool:
    return (await office.actions(operation_id)).count(action) >= times
