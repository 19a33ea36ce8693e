"""`perdure flags`: which engine takes new operations, changed while everything runs."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Annotated, Any, Final, TypeVar, get_type_hints

import typer

from perdure.capability.engine_flags import flag_attributes
from perdure.cli.api_client import open_api, part
from perdure.cli.output import (
    Output,
    OutputFormat,
    out,
    print_fields,
    print_json,
    print_json_list,
    print_table,
    read_time,
)
from perdure.cli.pages import Limit, print_page
from perdure.core.errors import InvalidInput
from perdure.flags.model import PERCENT_ALL, Context, Flag, Rule
from perdure.flags.rules import BUCKETS, bucket, evaluate, normal_rule, with_rule
from perdure.flags.store import rule_of

app = typer.Typer(no_args_is_help=True)

_ATTRIBUTES: Final = flag_attributes()

Key = Annotated[str, typer.Argument(help="The flag's name.", metavar="FLAG")]
Why = Annotated[str, typer.Option("--reason", help="Why; it stays in the flag's history.")]
RuleNumber = Annotated[int, typer.Option("--rule", help="The rule's number, as shown.")]

Command = TypeVar("Command", bound=Callable[..., None])


def _naming(command: Command) -> Command:
    """Give a command an option for each attribute that rules may name, in place of `**named`."""
    signature, hints = inspect.signature(command), get_type_hints(command, include_extras=True)
    *parameters, _ = signature.parameters.values()
    own = [one.replace(annotation=hints[one.name]) for one in parameters]
    for one in _ATTRIBUTES.all.values():
        option = Annotated[list[str] | None, typer.Option(help=f"{one.help}; repeatable.")]
        own.append(
            inspect.Parameter(
                one.name, inspect.Parameter.KEYWORD_ONLY, annotation=option, default=None
            )
        )
    command.__signature__ = signature.replace(parameters=own)  # type: ignore[attr-defined]
    command.__annotations__ = {one.name: one.annotation for one in own}
    return command


@app.command("list")
def list_flags(output: Output = OutputFormat.TEXT) -> None:
    """List all flags."""
    found = open_api().get("/v1/flags")["data"]
    if output == OutputFormat.JSON:
        print_json_list(found)
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
            for flag in map(_flag_of, found)
        ],
    )


@app.command()
def show(key: Key, output: Output = OutputFormat.TEXT) -> None:
    """Show a flag and its rules, in the order they are looked at."""
    _print(open_api().get(_path(key)), output)


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
    _print(_put(Flag(key, tuple(variant), default), reason), output)


@app.command("set")
@_naming
def set_rule(
    key: Key,
    *,
    variant: Annotated[str, typer.Option(help="What those it holds for are given.")],
    reason: Why,
    kind: Annotated[list[str] | None, typer.Option(help="Kinds of operation; repeatable.")] = None,
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
    **named: list[str],
) -> None:
    """Add a rule behind the others, or change the one that has the same conditions."""
    wanted = normal_rule(
        Rule(variant, tuple(kind or ()), _by_plural(named), tuple(customer or ()), percent),
        _ATTRIBUTES.all,
    )

    def with_wanted(flag: Flag) -> Flag:
        if rule is None:
            return replace(flag, rules=with_rule(flag.rules, wanted))
        index = _index(flag, rule)
        return replace(flag, rules=(*flag.rules[:index], wanted, *flag.rules[index + 1 :]))

    _print(_change(key, with_wanted, reason), output)


@app.command("default")
def set_default(
    key: Key,
    variant: Annotated[str, typer.Argument(help="What is given where no rule gives anything.")],
    *,
    reason: Why,
    output: Output = OutputFormat.TEXT,
) -> None:
    """Change what a flag gives where no rule does."""
    _print(_change(key, lambda flag: replace(flag, default_variant=variant), reason), output)


@app.command()
def remove(key: Key, *, rule: RuleNumber, reason: Why, output: Output = OutputFormat.TEXT) -> None:
    """Remove a rule; those behind it move up by one."""

    def without(flag: Flag) -> Flag:
        index = _index(flag, rule)
        return replace(flag, rules=flag.rules[:index] + flag.rules[index + 1 :])

    _print(_change(key, without, reason), output)


@app.command()
def enable(key: Key, *, reason: Why, output: Output = OutputFormat.TEXT) -> None:
    """Have a flag's rules looked at."""
    _print(_change(key, lambda flag: replace(flag, enabled=True), reason), output)


@app.command()
def disable(key: Key, *, reason: Why, output: Output = OutputFormat.TEXT) -> None:
    """Have a flag give its default to everybody; its rules stay."""
    _print(_change(key, lambda flag: replace(flag, enabled=False), reason), output)


def _change(key: str, change: Callable[[Flag], Flag], reason: str) -> dict[str, Any]:
    return _put(change(_get(key)), reason)


def _get(key: str) -> Flag:
    return _flag_of(open_api().get(_path(key)))


def _put(flag: Flag, reason: str) -> dict[str, Any]:
    """Set a flag, unless it was changed since it was read."""
    body = flag.content | {"version": flag.version, "reason": reason}
    changed: dict[str, Any] = open_api().put(_path(flag.key), body)
    return changed


def _path(key: str) -> str:
    return f"/v1/flags/{part(key)}"


def _flag_of(view: Mapping[str, Any]) -> Flag:
    return Flag(
        key=view["key"],
        variants=tuple(view["variants"]),
        default_variant=view["default_variant"],
        rules=tuple(rule_of(rule, _ATTRIBUTES) for rule in view["rules"]),
        enabled=view["enabled"],
        version=view["version"],
    )


@app.command()
def history(
    key: Key,
    limit: Limit = 20,
    output: Output = OutputFormat.TEXT,
) -> None:
    """List who changed a flag, when and why, newest first."""
    page = open_api().list(f"{_path(key)}/changes", limit=limit, cursor="version")
    columns = ("#VERSION", "AT", "WHO", "WHY", "BEFORE", "AFTER")
    print_page(page, output, columns, _change_row, cursor=None)


def _change_row(change: dict[str, Any]) -> tuple[object, ...]:
    return (
        change["version"],
        read_time(change["at"]),
        change["actor"],
        change["reason"],
        *_difference(change),
    )


@app.command("test")
@_naming
def try_out(
    key: Key,
    *,
    customer: Annotated[str | None, typer.Option(help="For this customer.")] = None,
    kind: Annotated[str | None, typer.Option(help="For an operation of this kind.")] = None,
    output: Output = OutputFormat.TEXT,
    **named: list[str],
) -> None:
    """Show what a flag gives, and why; nothing is changed or counted."""
    flag = _get(key)
    found = evaluate(flag, Context(customer, kind, _by_plural(named)))
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


def _by_plural(named: Mapping[str, list[str] | None]) -> dict[str, tuple[str, ...]]:
    """Return options' values as rules have them."""
    return {
        name: tuple(one.normal(value) for value in values)
        for name, one in _ATTRIBUTES.all.items()
        if (values := named[one.name])
    }


def _index(flag: Flag, number: int) -> int:
    if not 1 <= number <= len(flag.rules):
        there = f"its rules are 1 to {len(flag.rules)}" if flag.rules else "it has no rules"
        raise InvalidInput(
            f"{flag.key} has no rule {number}; {there}. See `perdure flags show {flag.key}`.",
            code="rule_not_found",
            param="rule",
        )
    return number - 1


def _print(view: dict[str, Any], output: OutputFormat) -> None:
    if output == OutputFormat.JSON:
        print_json(view)
        return
    flag = _flag_of(view)
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
        conditions = ("kinds", *_ATTRIBUTES.of(flag.key), "customers")
        print_table(
            ("#RULE", "VARIANT", *(name.upper() for name in conditions), "#PERCENT"),
            [
                (
                    number,
                    rule.variant,
                    *(" ".join(rule.conditions.get(name, ())) or "any" for name in conditions),
                    rule.percent,
                )
                for number, rule in enumerate(flag.rules, 1)
            ],
        )


def _difference(change: Mapping[str, Any]) -> tuple[object, object]:
    before, after = change["before"], change["after"]
    changed = [name for name, value in after.items() if (before or {}).get(name) != value]
    return (
        {name: before[name] for name in changed} if before is not None else None,
        {name: after[name] for name in changed},
    )


def _in_words(rule: Rule) -> str:
    share = f"{rule.percent}% of " if rule.percent < PERCENT_ALL else ""
    named = [f"{name} {' '.join(values)}" for name, values in rule.conditions.items() if values]
    return share + ("; ".join(named) or "everybody")


def _yes(value: bool) -> str:
    return "yes" if value else "no"
