"""Every way an onboarding can go, on the real server."""

import json
from typing import Any
from uuid import uuid4

import pytest
from temporalio.worker import Replayer

from perdure.api.keys import create_key
from perdure.bootstrap import interceptors
from perdure.capability.assembly import pure_modules
from perdure.durable.sandbox import sandboxed_runner
from perdure.identity.contracts import IDENTITY, UNAVAILABLE
from perdure.identity.process import BEGINNINGS
from perdure.onboarding.verify import INVARIANTS
from perdure.operations.verify import check
from perdure.simulators.identity import PRIVATE_COMMENT
from perdure.testing.wire import CUT_AFTER, Fault
from tests.outages import others_get_through
from tests.polls import eventually

from .office import Office


async def end_of(office: Office, operation_id: str) -> tuple[str, str | None]:
    """Wait for an onboarding's end, and see that nothing private is told of it anywhere."""
    ended = await office.end_of(operation_id)
    rows = [
        *await office.platform.operations.trail(operation_id),
        *await office.platform.operations.step_attempts(operation_id),
        await office.view(operation_id),
        await office.told(operation_id),
    ]
    assert PRIVATE_COMMENT not in json.dumps(rows, default=str)
    return ended.status, ended.failure.code if ended.failure else None


@pytest.mark.parametrize("name", ["Ada Lovelace", "Ada Reviewed", "Ada Silent", "Ada Resubmits"])
async def test_who_is_approved_is_a_customer_e1(office: Office, name: str) -> None:
    found = await office.onboard(name, currencies=["EUR", "USD"])
    assert await end_of(office, found) == ("succeeded", None)
    operation = await office.platform.operations.get(found)
    assert await office.standing(operation) == ("active", {"EUR open", "USD open"})
    view = await office.view(found)
    assert view["identity_status"] == "approved"
    assert len(view["account_ids"]) == 2
    assert "Welcome" in (await office.told(found))["customer:email"]


@pytest.mark.parametrize(
    ("name", "code", "checks"),
    [
        ("Ada Declined", "identity_declined", 1),
        ("Ada Expires", "identity_not_completed", 3),
        ("Ada Breaks", "identity_not_completed", 3),
        ("Ada Refused", "identity_not_checked", 0),
    ],
)
async def test_who_is_not_approved_is_told_so_and_has_nothing_e1(
    office: Office, name: str, code: str, checks: int
) -> None:
    found = await office.onboard(name)
    assert await end_of(office, found) == ("failed", code)
    assert await office.standing(await office.platform.operations.get(found)) == ("closed", set())
    references = [found, *(f"{found}-{number}" for number in (2, 3, 4))]
    made = [await office.check(reference) for reference in references]
    assert sum(check is not None for check in made) == checks
    assert "could not be completed" in (await office.told(found))["customer:email"]


async def test_completed_is_not_approved_e1(office: Office) -> None:
    found = await office.onboard("Ada Completes")
    await eventually(lambda: _stands_at_verifier(office, found, "completed"))
    view = await office.until_identity(found, "processing")
    assert (view["status"], view["account_ids"]) == ("waiting", None)
    await office.decide(found, "declined", reasons=["forged"])
    assert await end_of(office, found) == ("failed", "identity_declined")
    assert "forged" not in await _seen_by_customer(office, found)


async def test_a_review_that_takes_long_is_waited_for_without_a_callback_e1(
    office: Office,
) -> None:
    found = await office.onboard("Ada Waits")
    await office.decide(found, "in_review", tells=False)
    await office.until_identity(found, "in_review")
    await office.decide(found, "approved", tells=False)
    assert await end_of(office, found) == ("succeeded", None)


async def test_the_customer_is_told_what_is_wanted_e1(office: Office) -> None:
    found = await office.onboard("Ada Waits")
    await office.until_identity(found, "awaiting_input")
    await office.decide(found, "resubmission_requested", wanted=["selfie", "something_else"])
    view = await office.until_identity(found, "resubmission_requested")
    assert view["identity_wanted"] == ["a picture of your face"]
    assert view["identity_url"].startswith("https://")
    told = (await office.told(found))["customer_identity_0_1_2:email"]
    assert "a picture of your face" in told
    assert view["identity_url"] in told
    await office.decide(found, "approved")
    assert await end_of(office, found) == ("succeeded", None)


@pytest.mark.parametrize("at", ["beginning", "inquiry"])
async def test_an_answer_about_somebody_else_parks_e1(office: Office, at: str) -> None:
    found = await office.onboard("Ada Elsewhere" if at == "beginning" else "Ada Waits")
    if at == "inquiry":
        await office.until_identity(found, "awaiting_input")
        await office.decide(found, "approved", customer_id="somebody-else")
    parked = await office.until(found, {"needs_attention"})
    assert parked.failure is not None
    assert parked.failure.code == "provider_disagrees"
    assert "somebody-else" in parked.failure.message
    customer_id = parked.customer_id
    await office.decide(found, "approved", customer_id=customer_id)
    await office.api.post(f"/v1/operations/{found}/resume", json={"reason": "It is hers."})
    assert await end_of(office, found) == ("succeeded", None)


async def test_a_verifier_that_is_away_is_waited_for_e1(office: Office) -> None:
    with office.wire.fault(Fault(status=503)):
        before = office.wire.requests
        found = await office.onboard()
        await eventually(lambda: office.wire.requests - before >= 3)
        assert not (await office.platform.operations.get(found)).is_finished
    assert await end_of(office, found) == ("succeeded", None)


async def test_a_check_is_asked_for_three_times_within_seconds_e6(office: Office) -> None:
    """While others get through, as then it is not the verifier's outage."""
    steps = [begin.row_name for begin in BEGINNINGS]
    async with others_get_through(office.platform.pool, IDENTITY, *steps):
        with office.wire.fault(Fault(status=503), acts_only=True):
            found = await office.onboard()
            assert await end_of(office, found) == ("failed", UNAVAILABLE)
    attempts = await office.steps(found)
    assert attempts.count("begin_check:unknown") == 3


async def test_a_check_whose_beginning_nobody_heard_of_is_found_e1(office: Office) -> None:
    with office.wire.fault(CUT_AFTER, acts_only=True):
        found = await office.onboard()
        await eventually(lambda: office.check(found))
    assert await end_of(office, found) == ("succeeded", None)


async def test_a_cancel_in_the_middle_undoes_e1(office: Office) -> None:
    found = await office.onboard("Ada Waits")
    await office.until_identity(found, "awaiting_input")
    answer = await office.api.post(f"/v1/onboardings/{found}/cancel", json={"reason": "No."})
    assert answer.status_code == 200
    assert await end_of(office, found) == ("cancelled", "cancelled")
    assert await office.standing(await office.platform.operations.get(found)) == ("closed", set())
    at_verifier = await office.check(found)
    assert at_verifier is not None
    assert at_verifier["status"] == "expired"


async def test_a_bank_can_be_linked_then_e1(office: Office) -> None:
    found = await office.onboard()
    assert await end_of(office, found) == ("succeeded", None)
    view = await eventually(lambda: _with_link(office, found))
    assert view["bank_link_token"].startswith("link-")
    assert view["bank_link_expires_at"] is not None
    assert view["bank_link_left_out"] is None


async def test_an_aggregator_that_is_away_fails_and_delays_nothing_e1(office: Office) -> None:
    with office.aggregator_wire.fault(Fault(status=503)):
        found = await office.onboard()
        assert await end_of(office, found) == ("succeeded", None)
        view = await eventually(lambda: _with_link(office, found))
    assert view["bank_link_token"] is None
    assert view["bank_link_left_out"] == "provider_outcome_unknown"
    assert "Welcome" in (await office.told(found))["customer:email"]


async def test_who_is_a_customer_is_not_onboarded_again_e1(office: Office) -> None:
    found = await office.onboard()
    assert await end_of(office, found) == ("succeeded", None)
    operation = await office.platform.operations.get(found)
    body = operation.input["request"] | {"reference": None}
    again = await office.api.post("/v1/onboardings", json=body)
    assert (again.status_code, again.json()["error"]["code"]) == (409, "already_onboarded")


async def test_who_was_refused_may_ask_again_with_other_values_e1(office: Office) -> None:
    refused = await office.onboard("Ada Declined")
    assert await end_of(office, refused) == ("failed", "identity_declined")
    customer_id = (await office.platform.operations.get(refused)).customer_id
    found = await office.onboard(customer_id=customer_id)
    assert await end_of(office, found) == ("succeeded", None)


@pytest.mark.parametrize(
    ("wrong", "param"),
    [
        ({"birth_date": "10 December 1990"}, "birth_date"),
        ({"birth_date": "2190-01-01"}, "birth_date"),
        ({"country": "France"}, "country"),
        ({"email": "nobody"}, "email"),
        ({"currencies": []}, "currencies"),
        ({"currencies": ["USD", "USD"]}, "currencies"),
        ({"currencies": ["XQQ"]}, "currencies"),
    ],
)
async def test_what_can_be_nobody_is_refused_at_once(
    office: Office, wrong: dict[str, Any], param: str
) -> None:
    body = {
        "customer_id": "cus_1",
        "full_name": "Ada",
        "email": "ada@example.com",
        "birth_date": "1990-12-10",
        "country": "FR",
        **wrong,
    }
    answer = await office.api.post("/v1/onboardings", json=body)
    assert answer.status_code in {400, 422}, answer.text
    assert answer.json()["error"]["param"] == param


async def test_all_of_them_replay_and_break_no_invariant(office: Office) -> None:
    found = await office.onboard()
    await office.end_of(found)
    assert await check(office.platform.pool, INVARIANTS, limit=10) == []
    workflows = [workflow for work in office.registrations for workflow in work.workflows]
    replayer = Replayer(
        workflows=workflows,
        interceptors=interceptors(office.platform),
        workflow_runner=sandboxed_runner(pure_modules()),
    )
    ids = await office.platform.pool.fetch(
        "SELECT id FROM operations WHERE finished_at IS NOT NULL"
    )
    assert ids
    for row in ids:
        handle = office.platform.client.get_workflow_handle(row["id"])
        await replayer.replay_workflow(await handle.fetch_history())


async def _with_link(office: Office, operation_id: str) -> dict[str, Any] | None:
    view = await office.view(operation_id)
    return view if view["bank_link_token"] or view["bank_link_left_out"] else None


async def _stands_at_verifier(office: Office, reference: str, status: str) -> bool:
    found = await office.check(reference)
    return found is not None and found["status"] == status


async def _seen_by_customer(office: Office, operation_id: str) -> str:
    """Return all that the customer's own key is shown of an onboarding."""
    pool, operation = office.platform.pool, await office.platform.operations.get(operation_id)
    name = f"customer-{uuid4().hex[:8]}"
    scopes = ["operations:read", "onboardings:read"]
    _, secret = await create_key(pool, name, scopes, operation.customer_id)
    headers = {"Authorization": f"Bearer {secret}"}
    paths = [f"onboardings/{operation_id}", f"operations/{operation_id}"]
    paths.append(f"{paths[1]}/timeline")
    answers = [await office.api.get(f"/v1/{path}", headers=headers) for path in paths]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    return "".join(answer.text for answer in answers)
