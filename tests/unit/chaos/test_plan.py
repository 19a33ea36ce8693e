"""A round's plan is a pure function of its seed."""

from collections import Counter

import pytest

from perdure.chaos.plan import KILLABLE, POOR_WALLET, Plan, plan_round
from perdure.chaos.planned import (
    NEVER_PAID,
    NEVER_RENEWED,
    NEVER_SUCCEED,
    PARKS,
    PlannedPayment,
    PlannedRenewal,
    PlannedTransfer,
    Sending,
)
from perdure.simulators.bank_behaviour import DESTINATIONS
from perdure.simulators.gateway_behaviour import TOKENS


@pytest.fixture(scope="module")
def plan() -> Plan:
    return plan_round(42, payments=200, kills=50, transfers=20, renewals=20)


def test_a_seed_always_has_the_same_plan(plan: Plan) -> None:
    assert plan_round(42, payments=200, kills=50, transfers=20, renewals=20) == plan
    # Written down, so that a change of what a seed means is seen: reports name seeds.
    first = next(each for each in plan.operations if each.key == "chaos-42-0")
    assert (first.method, first.amount_minor, first.wallet) == ("tok_ok", 9186, 1)
    assert plan.kills[0].process == "worker-operations-1"


def test_another_seed_has_another_plan(plan: Plan) -> None:
    other = plan_round(43, payments=200, kills=50, transfers=20, renewals=20)
    assert sorted(each.amount_minor for each in other.operations) != sorted(
        each.amount_minor for each in plan.operations
    )
    assert [kill.process for kill in other.kills] != [kill.process for kill in plan.kills]
    assert other.customer_id != plan.customer_id


def test_other_kills_leave_the_operations_as_they_are(plan: Plan) -> None:
    calm = plan_round(42, payments=200, kills=0, transfers=20, renewals=20)
    assert (calm.kills, calm.read_only) == ((), None)
    assert (calm.operations, calm.fault_rate) == (plan.operations, plan.fault_rate)


def test_the_others_leave_the_payments_as_they_are_and_come_among_them(plan: Plan) -> None:
    without = plan_round(42, payments=200, kills=0)
    payments = [each for each in plan.operations if isinstance(each, PlannedPayment)]
    assert sorted(payments, key=lambda each: each.key) == sorted(
        without.operations, key=lambda each: each.key
    )
    assert len(plan.operations) - len(payments) == 40
    for others in (PlannedTransfer, PlannedRenewal):
        assert any(isinstance(each, others) for each in plan.operations[:120])


def test_everything_asked_for_and_everybody_told_is_known_apart(plan: Plan) -> None:
    both = [plan, plan_round(43, payments=200, kills=0, transfers=20, renewals=20)]
    operations = [operation for each in both for operation in each.operations]
    told = Counter(
        recipient
        for operation in operations
        for contact, _ in operation.contacts("succeeded")
        for recipient in (contact.email, contact.phone)
        if recipient is not None
    )
    assert len({operation.key for operation in operations}) == len(operations)
    domains = [each.domain for each in operations if isinstance(each, PlannedRenewal)]
    assert len(set(domains)) == len(domains)
    assert told
    assert set(told.values()) == {1}
    assert all(len(number) <= 16 for number in told if number.startswith("+"))


def test_a_few_plans_have_everything_that_can_happen() -> None:
    plans = [
        plan_round(seed, payments=200, kills=0, transfers=40, renewals=40) for seed in range(5)
    ]
    made = [operation for plan in plans for operation in plan.operations]
    tokens = {each.method for each in made if isinstance(each, PlannedPayment)}
    destinations = {each.method for each in made if isinstance(each, PlannedTransfer)}
    assert {each for each in NEVER_SUCCEED if each.startswith("tok")} <= tokens <= set(TOKENS)
    assert (
        {each for each in NEVER_PAID if each.startswith("dest")}
        <= destinations
        <= set(DESTINATIONS)
    )
    renewals = [each for each in made if isinstance(each, PlannedRenewal)]
    assert {each.domain.partition("-")[0] for each in renewals} >= NEVER_RENEWED
    assert {each.tld for each in renewals} == {"info", "fr", "com"}
    never = {each.method for each in made if each.never_succeeds} - {
        each.method for each in renewals
    }
    assert never == NEVER_SUCCEED | NEVER_PAID
    assert {each.method for each in made if each.parks} == PARKS
    refunded = [each for each in made if each.refunded]
    assert {type(each) for each in refunded} == {PlannedPayment, PlannedTransfer, PlannedRenewal}
    # Its registry takes none back.
    assert not any(isinstance(each, PlannedRenewal) and each.tld == "fr" for each in refunded)
    assert {each.sending for each in made} == set(Sending)
    assert {each.wallet for each in made} == set(range(POOR_WALLET + 1))
    assert {each.bulk for each in made} == {True, False}
    assert 0 < sum(each.cancel_after_s is not None for each in made) < 500


def test_kills_come_while_payments_are_made_and_reach_every_process() -> None:
    plans = [plan_round(seed, payments=9, kills=5) for seed in range(100)]
    kills = [kill for plan in plans for kill in plan.kills]
    assert {kill.process for kill in kills} == set(KILLABLE)
    assert {kill.after for kill in kills} == set(range(1, 10))
    assert 0 < sum(plan.read_only is not None for plan in plans) < 50


def test_no_wallet_but_the_poor_one_can_run_dry(plan: Plan) -> None:
    for wallet, deposit_minor in enumerate(plan.deposits_minor):
        asked = [each.amount_minor for each in plan.operations if each.wallet == wallet]
        assert (sum(asked) > deposit_minor) is (wallet == POOR_WALLET)
