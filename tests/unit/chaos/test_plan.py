"""A round's plan is a pure function of its seed."""

from collections import Counter

import pytest

from perdure.chaos.plan import (
    KILLABLE,
    NEVER_SUCCEED,
    POOR_WALLET,
    Plan,
    Sending,
    plan_round,
)
from perdure.simulators.gateway_behaviour import TOKENS


@pytest.fixture(scope="module")
def plan() -> Plan:
    return plan_round(42, payments=200, kills=50)


def test_a_seed_always_has_the_same_plan(plan: Plan) -> None:
    assert plan_round(42, payments=200, kills=50) == plan
    # Written down, so that a change of what a seed means is seen: reports name seeds.
    first = plan.payments[0]
    assert (first.payment_method, first.amount_minor, first.wallet) == ("tok_ok", 5893, 2)
    assert plan.kills[0].process == "worker-fraud"


def test_another_seed_has_another_plan(plan: Plan) -> None:
    other = plan_round(43, payments=200, kills=50)
    assert [payment.amount_minor for payment in other.payments] != [
        payment.amount_minor for payment in plan.payments
    ]
    assert [kill.process for kill in other.kills] != [kill.process for kill in plan.kills]
    assert other.customer_id != plan.customer_id


def test_other_kills_leave_the_payments_as_they_are(plan: Plan) -> None:
    calm = plan_round(42, payments=200, kills=0)
    assert calm.kills == ()
    assert (calm.payments, calm.fault_rate) == (plan.payments, plan.fault_rate)


def test_every_payment_and_everybody_told_is_known_apart(plan: Plan) -> None:
    both = [plan, plan_round(43, payments=200, kills=0)]
    payments = [payment for each in both for payment in each.payments]
    told = Counter(
        recipient
        for payment in payments
        for party in (payment.payer, payment.payee)
        for recipient in (party.email, party.phone)
        if recipient is not None
    )
    assert len({payment.key for payment in payments}) == len(payments)
    assert told
    assert set(told.values()) == {1}
    assert all(len(number) <= 16 for number in told if number.startswith("+"))


def test_a_plan_has_everything_that_can_happen(plan: Plan) -> None:
    tokens = {payment.payment_method for payment in plan.payments}
    assert tokens <= set(TOKENS)
    assert tokens >= NEVER_SUCCEED
    assert {payment.sending for payment in plan.payments} == set(Sending)
    assert {payment.wallet for payment in plan.payments} == set(range(POOR_WALLET + 1))
    assert 0 < sum(payment.cancel_after_s is not None for payment in plan.payments) < 100


def test_kills_come_while_payments_are_made_and_reach_every_process() -> None:
    kills = [kill for seed in range(100) for kill in plan_round(seed, payments=9, kills=5).kills]
    assert {kill.process for kill in kills} == set(KILLABLE)
    assert {kill.after_payments for kill in kills} == set(range(1, 10))


def test_no_wallet_but_the_poor_one_can_run_dry(plan: Plan) -> None:
    for wallet, deposit_minor in enumerate(plan.deposits_minor):
        asked = [payment.amount_minor for payment in plan.payments if payment.wallet == wallet]
        assert (sum(asked) > deposit_minor) is (wallet == POOR_WALLET)
