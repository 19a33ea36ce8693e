"""What a flag gives, to whom, and why."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openfeature.flag_evaluation import Reason

from perdure.core.errors import InvalidInput
from perdure.flags.model import Context, Flag, Rule
from perdure.flags.rules import (
    BUCKETS,
    bucket,
    check_flag,
    evaluate,
    nearest,
    normal_rule,
    with_rule,
)

from .attributes import ATTRIBUTES

FLAG = Flag("renewals-engine", ("legacy", "perdure"), "legacy")
CUSTOMERS = st.text(min_size=1, max_size=40)
PERCENTS = st.integers(0, 100)


def flag(*rules: Rule) -> Flag:
    return replace(FLAG, rules=rules)


def given_to(found: Flag, **context: str) -> tuple[str, str, int | None]:
    named = {name: context.pop(name) for name in ("customer_id", "kind") if name in context}
    values = {f"{name}s": tuple(value.split()) for name, value in context.items()}
    evaluation = evaluate(found, Context(**named, values=values))
    return evaluation.variant, evaluation.reason.value, evaluation.rule_number


def test_without_rules_everybody_gets_the_default() -> None:
    assert given_to(FLAG, customer_id="cus_1", tld="info") == ("legacy", "DEFAULT", None)


@pytest.mark.parametrize(
    ("rule", "context", "holds"),
    [
        (Rule("perdure", where={"tlds": ("info",)}), {"tld": "info"}, True),
        (Rule("perdure", where={"tlds": ("info",)}), {"tld": "fr"}, False),
        (Rule("perdure", where={"tlds": ("info",)}), {}, False),
        (Rule("perdure", where={"tlds": ("fr", "info")}), {"tld": "fr"}, True),
        (Rule("perdure", kinds=("renewal",)), {"kind": "renewal"}, True),
        (Rule("perdure", kinds=("renewal",)), {"kind": "trade"}, False),
        (Rule("perdure", customers=("cus_1",)), {"customer_id": "cus_1"}, True),
        (Rule("perdure", customers=("cus_1",)), {"customer_id": "cus_2"}, False),
        (Rule("perdure", kinds=("a",), where={"tlds": ("b",)}), {"kind": "a", "tld": "b"}, True),
        (Rule("perdure", kinds=("a",), where={"tlds": ("b",)}), {"kind": "a", "tld": "c"}, False),
        (Rule("perdure", where={"accounts": ("acc_2",)}), {"account": "acc_1 acc_2"}, True),
        (Rule("perdure", where={"accounts": ("acc_2",)}), {"account": "acc_1 acc_3"}, False),
        (Rule("perdure"), {}, True),
    ],
)
def test_a_rule_counts_where_all_its_conditions_hold(
    rule: Rule, context: dict[str, str], holds: bool
) -> None:
    expected = ("perdure", "TARGETING_MATCH", 1) if holds else ("legacy", "DEFAULT", None)
    assert given_to(flag(rule), **context) == expected


def test_the_first_rule_that_holds_counts() -> None:
    found = flag(
        Rule("legacy", customers=("cus_careful",)),
        Rule("perdure", where={"tlds": ("info",)}),
        Rule("legacy", where={"tlds": ("info",)}),
    )
    assert given_to(found, customer_id="cus_careful", tld="info")[0::2] == ("legacy", 1)
    assert given_to(found, customer_id="cus_1", tld="info")[0::2] == ("perdure", 2)


def test_who_is_not_in_a_share_is_for_the_next_rule() -> None:
    found = flag(Rule("perdure", percent=0), Rule("perdure", where={"tlds": ("fr",)}))
    assert given_to(found, customer_id="cus_1", tld="fr") == ("perdure", "TARGETING_MATCH", 2)
    assert given_to(found, customer_id="cus_1", tld="info") == ("legacy", "DEFAULT", None)


def test_a_flag_that_is_off_gives_its_default_whatever_its_rules() -> None:
    off = replace(flag(Rule("perdure")), enabled=False)
    assert given_to(off, customer_id="cus_1") == ("legacy", "DISABLED", None)


def test_a_share_of_customers_needs_a_customer() -> None:
    with pytest.raises(InvalidInput, match="give the customer") as caught:
        evaluate(flag(Rule("perdure", percent=50)), Context(values={"tlds": ("info",)}))
    assert caught.value.code == "missing_targeting_key"


@given(CUSTOMERS, PERCENTS, PERCENTS)
def test_raising_a_share_keeps_all_who_were_in_r9(customer: str, one: int, other: int) -> None:
    lower, higher = sorted((one, other))
    if evaluate(flag(Rule("perdure", percent=lower)), Context(customer)).variant == "perdure":
        raised = evaluate(flag(Rule("perdure", percent=higher)), Context(customer))
        assert raised.variant == "perdure"


@given(CUSTOMERS)
def test_nobody_is_in_a_share_of_none_and_everybody_in_one_of_all(customer: str) -> None:
    assert evaluate(flag(Rule("perdure", percent=0)), Context(customer)).variant == "legacy"
    assert evaluate(flag(Rule("perdure", percent=100)), Context(customer)).variant == "perdure"


@given(CUSTOMERS, st.integers(1, 99), st.sampled_from(["info", "fr", "com"]))
def test_a_customer_stays_where_it_is_for_all_its_domains(
    customer: str, percent: int, tld: str
) -> None:
    found = flag(Rule("perdure", percent=percent))
    there = evaluate(found, Context(customer, values={"tlds": (tld,)}))
    assert there == evaluate(found, Context(customer))
    assert there.reason is (Reason.SPLIT if there.variant == "perdure" else Reason.DEFAULT)


@given(CUSTOMERS)
def test_a_place_is_a_bucket(customer: str) -> None:
    assert 0 <= bucket("renewals-engine", customer) < BUCKETS


def test_places_are_those_of_every_release_before() -> None:
    # Another hash would move customers between engines: these are not to be corrected.
    places = [bucket("renewals-engine", customer) for customer in ("cus_1", "cus_2", "Zoë")]
    assert places == [9814, 7571, 3086]
    assert bucket("trades-engine", "cus_1") != places[0]


@pytest.mark.parametrize("percent", [1, 10, 37, 50, 90])
def test_a_share_is_roughly_what_it_says(percent: int) -> None:
    found = flag(Rule("perdure", percent=percent))
    customers = 20_000
    taken = sum(
        evaluate(found, Context(f"cus_{number}")).variant == "perdure"
        for number in range(customers)
    )
    # Five standard deviations of a coin thrown as often.
    allowed = 5 * (customers * percent / 100 * (1 - percent / 100)) ** 0.5
    assert abs(taken - customers * percent / 100) < allowed


def test_a_share_ends_where_the_next_begins() -> None:
    customer = next(
        name for name in map(str, range(10_000)) if bucket("renewals-engine", name) % 100 == 0
    )
    percent = bucket("renewals-engine", customer) // 100
    outside, inside = (flag(Rule("perdure", percent=percent + more)) for more in (0, 1))
    assert given_to(outside, customer_id=customer) == ("legacy", "DEFAULT", None)
    assert given_to(inside, customer_id=customer) == ("perdure", "SPLIT", 1)


def test_a_rule_of_the_same_conditions_is_changed_and_another_added_behind() -> None:
    rules = with_rule((), Rule("perdure", where={"tlds": ("info",)}, percent=10))
    rules = with_rule(rules, Rule("perdure", where={"tlds": ("fr",)}))
    rules = with_rule(rules, Rule("perdure", where={"tlds": ("info",)}, percent=20))
    assert rules == (
        Rule("perdure", where={"tlds": ("info",)}, percent=20),
        Rule("perdure", where={"tlds": ("fr",)}),
    )


def test_a_rule_is_stored_in_one_form() -> None:
    written = Rule(
        "perdure", where={"tlds": (".FR", "info", "fr")}, customers=("cus_2", "cus_1", "cus_2")
    )
    assert normal_rule(written, ATTRIBUTES.all) == Rule(
        "perdure", where={"tlds": ("fr", "info")}, customers=("cus_1", "cus_2")
    )


@pytest.mark.parametrize(
    ("wrong", "code", "param", "says"),
    [
        (flag(Rule("perdure", percent=101)), "invalid_percent", "rules.0.percent", "0 to 100"),
        (flag(Rule("perdure", percent=-1)), "invalid_percent", "rules.0.percent", "got -1"),
        (
            flag(Rule("legacy"), Rule("perdur")),
            "unknown_variant",
            "rules.1.variant",
            "Did you mean perdure?",
        ),
        (
            flag(Rule("perdure", where={"tlds": ("in fo",)})),
            "invalid_flag",
            "rules.0.tlds",
            "info, co.uk",
        ),
        (
            flag(Rule("perdure", where={"assets": ("GEM",)})),
            "invalid_flag",
            "rules.0.assets",
            "renewals-engine is not asked about assets; its rules may name kinds, tlds, customers.",
        ),
        (flag(Rule("perdure", customers=(" ",))), "invalid_input", "rules.0.customers", "1 to"),
        (flag(*[Rule("perdure")] * 201), "invalid_flag", "rules", "at most 200"),
        (
            flag(Rule("perdure", customers=tuple(map(str, range(1001))))),
            "invalid_flag",
            "rules.0.customers",
            "at most 1000",
        ),
        (replace(FLAG, key="Renewals engine"), "invalid_flag", "key", "small letters"),
        (replace(FLAG, variants=()), "invalid_flag", "variants", "1 to 20"),
        (replace(FLAG, variants=("a", "a")), "invalid_flag", "variants", "each once"),
        (
            replace(FLAG, default_variant="old"),
            "unknown_variant",
            "default_variant",
            "legacy, perdure",
        ),
    ],
)
def test_a_flag_that_makes_no_sense_is_refused_and_the_field_named(
    wrong: Flag, code: str, param: str, says: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_flag(wrong, ATTRIBUTES.of(wrong.key))
    assert (caught.value.code, caught.value.param) == (code, param)
    assert says in caught.value.message


def test_a_name_that_is_near_is_suggested() -> None:
    assert nearest("renewal-engine", ["trades-engine", "renewals-engine"]) == (
        " Did you mean renewals-engine?"
    )
    assert nearest("zzz", ["renewals-engine"]) == ""
