"""A round's plan is a pure function of its seed."""

from collections import Counter

import pytest

from perdure.chaos.load import loads
from perdure.chaos.plan import plan_round
from perdure.chaos.planned import POOR_WALLET, Plan, Planned, Sending
from perdure.payments.chaos import NEVER_SUCCEED, PARK
from perdure.renewals.chaos import FINAL_TLD, NEVER_RENEWED
from perdure.simulators.bank_behaviour import DESTINATIONS
from perdure.simulators.gateway_behaviour import TOKENS
from perdure.transfers.chaos import NEVER_PAID
from perdure.transfers.chaos import PARK as PARK_AT_BANK

ASKED = {"payments": 200, "transfers": 20, "renewals": 20}
PROCESSES = ("postgres", "api", "gateway", "worker-lanes")


def planned(seed: int, asked: dict[str, int] = ASKED, *, kills: int = 0) -> Plan:
    return plan_round(seed, asked, kills=kills, processes=PROCESSES)


def of_kind(kind: str, *plans: Plan) -> list[Planned]:
    return [each for plan in plans for each in plan.operations if each.kind == kind]


@pytest.fixture(scope="module")
def plan() -> Plan:
    return planned(42, kills=50)


def test_a_seed_always_has_the_same_plan(plan: Plan) -> None:
    assert planned(42, kills=50) == plan
    # Written down, so that a change of what a seed means is seen: reports name seeds.
    first = next(each for each in plan.operations if each.key == "chaos-42-payments-0")
    assert (first.asked.method, first.asked.amount_minor, first.wallet) == ("tok_ok", 9186, 1)


def test_another_seed_has_another_plan(plan: Plan) -> None:
    other = planned(43, kills=50)
    assert sorted(each.asked.amount_minor for each in other.operations) != sorted(
        each.asked.amount_minor for each in plan.operations
    )
    assert [kill.process for kill in other.kills] != [kill.process for kill in plan.kills]
    assert other.customer_id != plan.customer_id


def test_other_kills_leave_the_operations_as_they_are(plan: Plan) -> None:
    calm = planned(42)
    assert (calm.kills, calm.read_only) == ((), None)
    assert (calm.operations, calm.fault_rate) == (plan.operations, plan.fault_rate)


def test_other_kinds_leave_the_first_as_they_are_and_come_among_them(plan: Plan) -> None:
    without = planned(42, {"payments": 200})
    assert sorted(of_kind("payments", plan), key=lambda each: each.key) == sorted(
        without.operations, key=lambda each: each.key
    )
    assert Counter(each.kind for each in plan.operations) == ASKED
    assert {each.kind for each in plan.operations[:120]} == set(ASKED)


def test_everything_asked_for_and_everybody_told_is_known_apart(plan: Plan) -> None:
    both = [plan, planned(43)]
    operations = [operation for each in both for operation in each.operations]
    told = Counter(
        recipient
        for operation in operations
        for contact, _ in operation.contacts("succeeded")
        for recipient in (contact.email, contact.phone)
        if recipient is not None
    )
    assert len({operation.key for operation in operations}) == len(operations)
    domains = [each.asked.body["domain"] for each in of_kind("renewals", *both)]
    assert len(set(domains)) == len(domains)
    assert told
    assert set(told.values()) == {1}
    assert all(len(number) <= 16 for number in told if number.startswith("+"))


def test_a_few_plans_have_everything_that_can_happen() -> None:
    plans = [planned(seed, {"payments": 200, "transfers": 40, "renewals": 40}) for seed in range(5)]
    made = [operation for plan in plans for operation in plan.operations]
    tokens = {each.asked.method for each in of_kind("payments", *plans)}
    destinations = {each.asked.method for each in of_kind("transfers", *plans)}
    assert NEVER_SUCCEED <= tokens <= set(TOKENS)
    assert NEVER_PAID <= destinations <= set(DESTINATIONS)
    renewals = of_kind("renewals", *plans)
    domains = [each.asked.body["domain"] for each in renewals]
    assert {domain.partition("-")[0] for domain in domains} >= NEVER_RENEWED
    assert {domain.rpartition(".")[2] for domain in domains} == {"info", "fr", "com"}
    never = {each.asked.method.partition(" ")[0] for each in made if each.asked.never_succeeds}
    assert never == NEVER_SUCCEED | NEVER_PAID | NEVER_RENEWED
    assert {each.asked.method for each in made if each.asked.parks} == PARK | PARK_AT_BANK
    refunded = [each for each in made if each.refunded]
    assert {each.kind for each in refunded} == set(ASKED)
    # Its registry takes none back.
    final = [each for each in renewals if each.asked.may_stand]
    assert {each.asked.method.rpartition(".")[2] for each in final} == {FINAL_TLD}
    assert not any(each.refunded for each in final)
    assert {each.sending for each in made} == set(Sending)
    assert {each.wallet for each in made} == set(range(POOR_WALLET + 1))
    assert {each.bulk for each in made} == {True, False}
    assert 0 < sum(each.cancel_after_s is not None for each in made) < 500


def test_every_kind_that_can_be_asked_for_is_made_by_chaos() -> None:
    assert list(loads()) == [*ASKED, "trades", "bank-syncs", "onboardings"]


def test_kills_come_while_operations_are_made_and_reach_every_process() -> None:
    plans = [planned(seed, {"payments": 9}, kills=5) for seed in range(100)]
    kills = [kill for plan in plans for kill in plan.kills]
    assert {kill.process for kill in kills} == set(PROCESSES)
    assert {kill.after for kill in kills} == set(range(1, 10))
    assert 0 < sum(plan.read_only is not None for plan in plans) < 50


def test_no_wallet_but_the_poor_one_can_run_dry(plan: Plan) -> None:
    for wallet, deposit_minor in enumerate(plan.deposits_minor):
        asked = [each.asked.amount_minor for each in plan.operations if each.wallet == wallet]
        assert (sum(asked) > deposit_minor) is (wallet == POOR_WALLET)
