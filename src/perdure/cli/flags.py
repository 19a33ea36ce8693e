"""`perdure flags`: which engine takes new operations, changed while everything runs."""

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any

import typer

from perdure.api.flag_schemas import FlagChangeView, FlagView
from perdure.cli.output import (
    Output,
    OutputFormat,
    out,
    page_of,
    print_fields,
    print_json,
    print_json_list,
    print_table,
)
from perdure.cli.session import actor, open_session, run
from perdure.core.errors import InvalidInput
from perdure.flags.model import PERCENT_ALL, Context, Flag, FlagChange, Rule
from perdure.flags.rules import BUCKETS, bucket, evaluate, normal_rule, with_rule

app = typer.Typer(
    help="Flags: which engine takes new operations. A change holds everywhere within two seconds.",
    no_args_is_help=True,
)

Key = Annotated[str, typer.Argument(help="The flag, as renewals-engine.", metavar="FLAG")]
Why = Annotated[str, typer.Option("--reason", help="Why; it stays in the flag's history.")]
RuleNumber = Annotated[int, typer.Option("--rule", help="The rule's number, as shown.")]


@app.command("list")
def list_flags(output: Output = OutputFormat.TEXT) -> None:
    """List all flags."""
    flags = run(_list())
    if output == OutputFormat.JSON:
        print_json_list([_as_json(flag) for flag in flags])
        return
    print_table(
        ("FLAG", "ON", "DEFAULT", "VARIANTS", "#RULES", "#VERSION"),
        [
            (
                flag.key,
                _yes(flag.enabled),
                flag.default_variant,
                " ".join(flag.variants),
                len(flag.rules),
                flag.version,
            )
            for flag in flags
        ],
    )


async def _list() -> list[Flag]:
    async with open_session() as platform:
        return await platform.flags.list_flags()


@app.command()
def show(key: Key, output: Output = OutputFormat.TEXT) -> None:
    """Show a flag and its rules, in the order they are looked at."""
    _print(run(_get(key)), output)


async def _get(key: str) -> Flag:
    async with open_session() as platform:
        return await platform.flags.get(key)


@app.command()
def create(
    key: Key,
    *,
    variant: Annotated[list[str], typer.Option(help="What it can give; repeatable.")],
    default: Annotated[str, typer.Option(help="What it gives where no rule does.")],
    reason: Why,
    output: Output = OutputFormat.TEXT,
) -> None:
    """Make a flag."""
    _print(run(_create(Flag(key, tuple(variant), default), reason)), output)


async def _create(flag: Flag, reason: str) -> Flag:
    async with open_session() as platform:
        return await platform.flags.put(flag, actor=actor(), reason=reason)


@app.command("set")
def set_rule(
    key: Key,
    *,
    variant: Annotated[str, typer.Option(help="What those it holds for are given.")],
    reason: Why,
    kind: Annotated[list[str] | None, typer.Option(help="Kinds of operation; repeatable.")] = None,
    tld: Annotated[list[str] | None, typer.Option(help="Top-level domains; repeatable.")] = None,
    customer: Annotated[list[str] | None, typer.Option(help="Customers; repeatable.")] = None,
    percent: Annotated[
        int,
        typer.Option(
            min=0,
            max=PERCENT_ALL,
            help="How many of a hundred customers. Who is in stays in as it grows.",
        ),
    ] = PERCENT_ALL,
    rule: Annotated[
        int | None, typer.Option(help="The rule to replace, by its number, as shown.")
    ] = None,
    output: Output = OutputFormat.TEXT,
) -> None:
    """Add a rule behind the others, or change the one that has the same conditions."""
    wanted = normal_rule(
        Rule(variant, tuple(kind or ()), tuple(tld or ()), tuple(customer or ()), percent)
    )

    def with_wanted(flag: Flag) -> Flag:
        if rule is None:
            return replace(flag, rules=with_rule(flag.rules, wanted))
        index = _index(flag, rule)
        return replace(flag, rules=(*flag.rules[:index], wanted, *flag.rules[index + 1 :]))

    _print(run(_change(key, with_wanted, reason)), output)


@app.command("default")
def set_default(
    key: Key,
    variant: Annotated[str, typer.Argument(help="What is given where no rule gives anything.")],
    *,
    reason: Why,
    output: Output = OutputFormat.TEXT,
) -> None:
    """Change what a flag gives where no rule does."""
    _print(run(_change(key, lambda flag: replace(flag, default_variant=variant), reason)), output)


@app.command()
def remove(key: Key, *, rule: RuleNumber, reason: Why, output: Output = OutputFormat.TEXT) -> None:
    """Remove a rule; those behind it move up by one."""

    def without(flag: Flag) -> Flag:
        index = _index(flag, rule)
        return replace(flag, rules=flag.rules[:index] + flag.rules[index + 1 :])

    _print(run(_change(key, without, reason)), output)


@app.command()
def enable(key: Key, *, reason: Why, output: Output = OutputFormat.TEXT) -> None:
    """Have a flag's rules looked at."""
    _print(run(_change(key, lambda flag: replace(flag, enabled=True), reason)), output)


@app.command()
def disable(key: Key, *, reason: Why, output: Output = OutputFormat.TEXT) -> None:
    """Have a flag give its default to everybody; its rules stay."""
    _print(run(_change(key, lambda flag: replace(flag, enabled=False), reason)), output)


async def _change(key: str, change: Callable[[Flag], Flag], reason: str) -> Flag:
    async with open_session() as platform:
        flag = change(await platform.flags.get(key))
        return await platform.flags.put(flag, actor=actor(), reason=reason)


@app.command()
def history(
    key: Key,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 20,
    output: Output = OutputFormat.TEXT,
) -> None:
    """List who changed a flag, when and why, newest first."""
    changes, has_more = page_of(run(_history(key, limit + 1)), limit)
    if output == OutputFormat.JSON:
        data = [FlagChangeView.of(change).model_dump(mode="json") for change in changes]
        print_json_list(data, has_more=has_more)
        return
    print_table(
        ("#VERSION", "AT", "WHO", "WHY", "BEFORE", "AFTER"),
        [
            (change.version, change.at, change.actor, change.reason, *_difference(change))
            for change in changes
        ],
    )


async def _history(key: str, limit: int) -> list[FlagChange]:
    async with open_session() as platform:
        return await platform.flags.history(key, limit=limit)


@app.command("test")
def try_out(
    key: Key,
    *,
    customer: Annotated[str | None, typer.Option(help="For this customer.")] = None,
    kind: Annotated[str | None, typer.Option(help="For an operation of this kind.")] = None,
    tld: Annotated[str | None, typer.Option(help="For a domain of this top-level domain.")] = None,
    output: Output = OutputFormat.TEXT,
) -> None:
    """Show what a flag gives, and why; nothing is changed or counted."""
    flag = run(_get(key))
    found = evaluate(flag, Context(customer, kind, tld))
    place = bucket(key, customer) * PERCENT_ALL / BUCKETS if customer is not None else None
    number = found.rule_number
    fields: dict[str, Any] = {
        "variant": found.variant,
        "reason": found.reason.value,
        "rule": number,
        "customer_percentile": place,
        "version": flag.version,
    }
    if output == OutputFormat.JSON:
        print_json(fields)
        return
    rule = f"{number}: {_in_words(flag.rules[number - 1])}" if number is not None else None
    print_fields(fields | {"rule": rule})


def _index(flag: Flag, number: int) -> int:
    if not 1 <= number <= len(flag.rules):
        there = f"its rules are 1 to {len(flag.rules)}" if flag.rules else "it has no rules"
        raise InvalidInput(
            f"{flag.key} has no rule {number}; {there}. See `perdure flags show {flag.key}`.",
            code="rule_not_found",
            param="rule",
        )
    return number - 1


def _print(flag: Flag, output: OutputFormat) -> None:
    if output == OutputFormat.JSON:
        print_json(_as_json(flag))
        return
    print_fields(
        {
            "flag": flag.key,
            "on": _yes(flag.enabled),
            "variants": " ".join(flag.variants),
            "default": flag.default_variant,
            "version": flag.version,
        }
    )
    if flag.rules:
        out.print()
        print_table(
            ("#RULE", "VARIANT", "KINDS", "TLDS", "CUSTOMERS", "#PERCENT"),
            [
                (
                    number,
                    rule.variant,
                    *(" ".join(values) or "any" for values in rule.conditions),
                    rule.percent,
                )
                for number, rule in enumerate(flag.rules, 1)
            ],
        )


def _difference(change: FlagChange) -> tuple[object, object]:
    before = change.before or {}
    changed = [name for name, value in change.after.items() if before.get(name) != value]
    return (
        {name: before[name] for name in changed} if change.before is not None else None,
        {name: change.after[name] for name in changed},
    )


def _in_words(rule: Rule) -> str:
    share = f"{rule.percent}% of " if rule.percent < PERCENT_ALL else ""
    named = zip(("kinds", "tlds", "customers"), rule.conditions, strict=True)
    return share + ("; ".join(f"{name} {' '.join(it)}" for name, it in named if it) or "everybody")


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _as_json(flag: Flag) -> dict[str, Any]:
    # As the API shows it.
    return FlagView.of(flag).model_dump(mode="json")
