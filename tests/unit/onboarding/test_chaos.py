"""What chaos makes of onboardings, and that whatever is wrong with a customer is found."""

from dataclasses import replace
from typing import Any

import pytest

from perdure.chaos.books import OperationRow
from perdure.chaos.plan import plan_round
from perdure.chaos.planned import Planned
from perdure.chaos.seen import Seen, Storm
from perdure.onboarding.chaos import NAMES, Onboarded, findings

PLAN = plan_round(1, {"onboardings": 200})


def first(*names: str) -> Planned:
    return next(
        each for each in PLAN.operations if each.asked.method in names and each.asked.customer.phone
    )


GOOD, DECLINED = first("Lovelace", "Silent"), first("Declined")


def onboarded(planned: Planned, status: str, **more: Any) -> Onboarded:
    is_one = status == "succeeded"
    contact, currencies = planned.asked.customer, planned.asked.body["currencies"]
    told = [("customer", contact.email), ("customer", contact.phone)]
    if is_one:
        told.append(("customer_follow_up", contact.email))
    usual = Onboarded(
        OperationRow(f"onb_{planned.key}", planned.key, status, None, 0, {}),
        opened=sorted(currencies) if is_one else [],
        standing=sorted(currencies) if is_one else [],
        profile="active" if is_one else "closed",
        is_claimed=is_one,
        messages=[[audience, str(to), _state(str(to))] for audience, to in told],
        checks=["approved" if is_one else "declined"],
    )
    return replace(usual, **more)


def _state(recipient: str) -> str:
    is_rejected = recipient.startswith("reject+") or recipient.endswith("0001")
    return "rejected" if is_rejected else "sent"


def found(*left: Onboarded, told: dict[str, int] | None = None) -> set[str]:
    """Return what is found of two that were asked for."""
    storm = Storm(PLAN)
    for each in (GOOD, DECLINED):
        storm.seen[each.key] = Seen(operation_ids=[f"onb_{each.key}"])
    sent = [to for one in left for _, to, state in one.messages if state == "sent"]
    counts = {to: sent.count(to) for to in sent} | (told or {})
    return {one.name for one in findings([GOOD, DECLINED], storm, left, counts)}


WELL = (onboarded(GOOD, "succeeded"), onboarded(DECLINED, "failed"))


def test_every_name_is_asked_for_by_a_customer_of_its_own() -> None:
    assert {each.asked.method for each in PLAN.operations} == set(NAMES)
    bodies = [each.asked.body for each in PLAN.operations]
    assert len({body["customer_id"] for body in bodies}) == len(bodies)
    assert len({body["email"] for body in bodies}) == len(bodies)


def test_nothing_is_found_where_all_is_well() -> None:
    assert found(*WELL) == set()


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        ({"opened": ["USD", "USD"], "standing": ["USD", "USD"]}, "accounts_differ"),
        ({"standing": []}, "accounts_differ"),
        ({"profile": "closed"}, "profile_differs"),
        ({"is_claimed": False}, "claim_differs"),
        ({"checks": ["approved", "processing"]}, "left_open"),
        ({"checks": ["declined"]}, "provider_differs"),
        ({"messages": []}, "message_missing"),
        ({"messages": [*WELL[0].messages, WELL[0].messages[-1]]}, "message_unasked"),
    ],
)
def test_what_is_wrong_with_a_customer_is_found(wrong: dict[str, Any], name: str) -> None:
    assert name in found(replace(WELL[0], **wrong), WELL[1])


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        ({"standing": ["USD"], "opened": ["USD"]}, "accounts_differ"),
        ({"profile": "active"}, "profile_differs"),
        ({"is_claimed": True}, "claim_differs"),
    ],
)
def test_who_was_declined_is_no_customer(wrong: dict[str, Any], name: str) -> None:
    assert found(WELL[0], replace(WELL[1], **wrong)) == {name}


def test_what_is_lost_doubled_or_unasked_is_found() -> None:
    assert found(WELL[0]) == {"lost"}
    other = replace(WELL[1].operation, id="onb_other")
    assert "doubled" in found(*WELL, replace(WELL[1], operation=other))
    assert "not_asked_for" in found(
        *WELL, replace(WELL[1], operation=replace(other, key="nobody's"))
    )
    assert "succeeded_by_mistake" in found(WELL[0], onboarded(DECLINED, "succeeded"))
    assert found(*WELL, told={str(GOOD.asked.customer.email): 9}) == {"message_doubled"}
