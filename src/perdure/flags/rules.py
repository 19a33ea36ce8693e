"""Evaluates flags, and says what is wrong with one. Pure."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from openfeature.flag_evaluation import Reason

from perdure.core.errors import InvalidInput
from perdure.core.text import check_identifier, check_text
from perdure.flags.model import PERCENT_ALL, Attribute, Context, Flag, Rule

VARIANTS_MAX: Final = 20
RULES_MAX: Final = 200
VALUES_MAX: Final = 1000
"""The most kinds, customers or values of an attribute that one rule names."""

BUCKETS: Final = 10_000
"""A hundred a percent, so that finer shares can come without moving anybody."""

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What a flag gives, and why.

    Args:
        reason: `TARGETING_MATCH`: a rule's conditions hold; `SPLIT`: and the customer is in its
            share; `DEFAULT`: no rule; `DISABLED`: the flag is off. The words are OpenFeature's.
        rule_number: Which rule it was, from 1.
    """

    variant: str
    reason: Reason
    rule_number: int | None = None


def evaluate(flag: Flag, context: Context) -> Evaluation:
    """Return what a flag gives in a context.

    Raises:
        InvalidInput: `missing_targeting_key`: a rule is for a share of customers, and there is
            none.
    """
    if not flag.enabled:
        return Evaluation(flag.default_variant, Reason.DISABLED)
    for number, rule in enumerate(flag.rules, 1):
        if not _holds(rule, context):
            continue
        if rule.percent == PERCENT_ALL:
            return Evaluation(rule.variant, Reason.TARGETING_MATCH, number)
        if context.customer_id is None:
            raise InvalidInput(
                f"Rule {number} of {flag.key} is for a share of customers; give the customer.",
                code="missing_targeting_key",
                param="customer_id",
            )
        if bucket(flag.key, context.customer_id) < rule.percent * (BUCKETS // PERCENT_ALL):
            return Evaluation(rule.variant, Reason.SPLIT, number)
    return Evaluation(flag.default_variant, Reason.DEFAULT)


def bucket(flag_key: str, customer_id: str) -> int:
    """Return where a customer stands in a flag, from 0 to 9999.

    A share of N percent is the buckets below N x 100, so who is in stays in when it grows; and a
    customer stands elsewhere in another flag.
    """
    digest = hashlib.sha256(f"{flag_key}\n{customer_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % BUCKETS


def with_rule(flag_rules: tuple[Rule, ...], rule: Rule) -> tuple[Rule, ...]:
    """Return rules with one more; where one has the same conditions, it is replaced."""
    for index, found in enumerate(flag_rules):
        if found.conditions == rule.conditions:
            return (*flag_rules[:index], rule, *flag_rules[index + 1 :])
    return (*flag_rules, rule)


def normal_rule(rule: Rule, attributes: Mapping[str, Attribute]) -> Rule:
    """Return a rule as it is stored: values sorted, each once, in their normal form.

    Args:
        attributes: What it may name, by their names in rules.

    Raises:
        InvalidInput: A value is none.
    """
    return Rule(
        rule.variant,
        kinds=tuple(sorted(set(rule.kinds))),
        where={
            name: tuple(sorted({attributes[name].normal(value) for value in values}))
            for name, values in sorted(rule.where.items())
            if values
        },
        customers=tuple(sorted({check_identifier("customers", it) for it in rule.customers})),
        percent=rule.percent,
    )


def check_flag(flag: Flag, attributes: Mapping[str, Attribute]) -> None:
    """Refuse a flag that makes no sense.

    Args:
        attributes: What its rules may name, by their names in rules.

    Raises:
        InvalidInput: `invalid_flag`, `unknown_variant`, `invalid_percent`; names the field.
    """
    _check_name("key", flag.key)
    if not 1 <= len(flag.variants) <= VARIANTS_MAX or len(set(flag.variants)) < len(flag.variants):
        raise _invalid("variants", f"Give 1 to {VARIANTS_MAX} variants, each once.")
    for variant in flag.variants:
        _check_name("variants", variant)
    _check_variant("default_variant", flag.default_variant, flag.variants)
    if len(flag.rules) > RULES_MAX:
        raise _invalid("rules", f"Use at most {RULES_MAX} rules; one can name many customers.")
    for index, rule in enumerate(flag.rules):
        _check_rule(f"rules.{index}", rule, flag, attributes)


def nearest(wanted: str, known: Iterable[str]) -> str:
    """Return ` Did you mean …?`, or nothing where nothing is near."""
    found = get_close_matches(wanted, list(known), n=1)
    return f" Did you mean {found[0]}?" if found else ""


def _holds(rule: Rule, context: Context) -> bool:
    has = {**context.values, "kinds": (context.kind,), "customers": (context.customer_id,)}
    return all(
        not wanted or any(value in wanted for value in has.get(name, ()))
        for name, wanted in rule.conditions.items()
    )


def _check_rule(where: str, rule: Rule, flag: Flag, attributes: Mapping[str, Attribute]) -> None:
    _check_variant(f"{where}.variant", rule.variant, flag.variants)
    if not 0 <= rule.percent <= PERCENT_ALL:
        raise InvalidInput(
            f"Give percent as a whole number from 0 to {PERCENT_ALL}; got {rule.percent}.",
            code="invalid_percent",
            param=f"{where}.percent",
        )
    for name, values in rule.conditions.items():
        param = f"{where}.{name}"
        if len(values) > VALUES_MAX:
            raise _invalid(param, f"Use at most {VALUES_MAX} in one rule.")
        for value in values:
            check_text(param, value)
    for name, values in rule.where.items():
        if values and name not in attributes:
            named = ", ".join(["kinds", *attributes, "customers"])
            raise _invalid(
                f"{where}.{name}",
                f"{flag.key} is not asked about {name}; its rules may name {named}."
                f"{nearest(name, attributes)}",
            )
        for value in values:
            _check_value(f"{where}.{name}", attributes[name], value)


def _check_value(param: str, attribute: Attribute, value: str) -> None:
    try:
        attribute.normal(value)
    except InvalidInput as error:
        raise _invalid(param, error.message) from None


def _check_variant(param: str, variant: str, variants: tuple[str, ...]) -> None:
    if variant not in variants:
        raise InvalidInput(
            f"There is no variant {variant!r}; there are {', '.join(variants)}."
            f"{nearest(variant, variants)}",
            code="unknown_variant",
            param=param,
        )


def _check_name(param: str, name: str) -> None:
    if not _NAME.fullmatch(name):
        raise _invalid(
            param,
            f"{name!r} is no name; use 1 to 64 small letters, digits, dots, hyphens or"
            " underscores.",
        )


def _invalid(param: str, message: str) -> InvalidInput:
    return InvalidInput(message, code="invalid_flag", param=param)
