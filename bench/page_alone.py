"""The page's sections on what is measured by itself: the ledger, a flood, years of rows, orders."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.ledger import STORES
from bench.plots import Bar
from bench.report import Numbers, bar_of
from bench.results import spread
from perdure.core.ledgers import LedgerChoice

Drawn = Callable[[Numbers], str]


def sections(folder: Path, drawn: Drawn) -> list[str]:
    """Return a section for each of these results that is there."""
    makers = {
        "ledger.json": _ledger,
        "renewals.json": _renewals,
        "years.json": _years,
        "orders.json": _orders,
        "matcher.json": _matcher,
    }
    return [
        make(json.loads((folder / name).read_text()), drawn)
        for name, make in makers.items()
        if (folder / name).exists()
    ]


def _ledger(found: dict[str, Any], drawn: Drawn) -> str:
    accounts = sorted({row["accounts"] for row in found["transfers_per_s"]})
    rounds = {
        (f"{STORES[LedgerChoice(row['store'])]}: {row['way']}", row["accounts"]): row["rounds"]
        for row in found["transfers_per_s"]
    }
    told = {n: "one hot account" if n == 1 else f"{n:,} accounts" for n in accounts}
    ways = list(dict.fromkeys(way for way, _ in rounds))
    posted = Numbers(
        "Perdure's ledger, where its balances are kept",
        ("way", *told.values()),
        [(way, *(spread(rounds[way, n]) for n in accounts)) for way in ways],
        "transfers/s",
        [bar_of(f"{way}, {told[n]}", rounds[way, n]) for way in ways for n in accounts],
    )
    taken = f"`{found['taken']['command']}`, {found['taken']['at']}"
    published = [
        f"| {one['product']} | {one['figure']} | {one['measured']} | {one['source']} |"
        for one in found["references"]
    ]
    return "\n".join(
        [
            "## The ledger alone\n",
            f"Transfers posted a second, durable; {taken}.\n",
            drawn(posted),
            "\nWhat others publish, not measured here:\n",
            "| product | figure | what was measured | where |",
            "| --- | --- | --- | --- |",
            *published,
            f"\n{found['conclusion']}\n",
        ]
    )


def _renewals(found: dict[str, Any], drawn: Drawn) -> str:
    rows, bars = [], []
    for registry in found["registries"]:
        reached = found["reached_per_s"][registry["tld"]]
        books = found["books"][registry["tld"]]
        rows.append(
            (
                f".{registry['tld']}",
                f"{registry['per_second']}",
                f"{reached or 0:.1f}",
                f"{registry['at_once']}",
                f"{books['renewals']['renewed']:,}",
                f"{books['renewed_more_than_once']['count']}",
                f"{books['refusals'] or 'none'}",
            )
        )
        bars.append(bar_of(f".{registry['tld']}", [reached or 0.0]))
    headings = ("registry", "calls/s set", "reached", "at once", "renewed", "more than once")
    reached_all = Numbers(
        "The first of a month", (*headings, "refused"), rows, "calls/s reached", bars
    )
    return "\n".join(
        [
            "## The first of a month in miniature\n",
            f"`{found['command']}`, {found['at']}.\n",
            "Everything as `perdure up` runs it; each of three registries has limits of its own.",
            "A renewal is two calls.\n",
            drawn(reached_all),
            "",
            *(f"- {line}" for line in found["conclusions"]),
            "",
        ]
    )


def _years(found: dict[str, Any], drawn: Drawn) -> str:
    return _tables(f"After years: {found['operations']:,} operations that ended", found, drawn)


def _orders(found: dict[str, Any], drawn: Drawn) -> str:
    told = (
        "Orders kept, matched and acknowledged, each in the commit of its book; bare SQL writes the"
        " same rows with the same indexes, and decides nothing."
    )
    return _tables(f"Orders: {found['orders']:,} in a round", found, drawn, told)


def _matcher(found: dict[str, Any], drawn: Drawn) -> str:
    told = "The order book alone; beside it, loops over the same messages that do less."
    return _tables("The matcher", found, drawn, told)


def _tables(heading: str, found: dict[str, Any], drawn: Drawn, told: str = "") -> str:
    taken = found["taken"]
    tables = [
        Numbers(
            one["title"],
            tuple(one["headings"]),
            [tuple(row) for row in one["rows"]],
            one["unit"],
            [Bar(**bar) for bar in one["bars"]],
        )
        for one in found["tables"]
    ]
    return "\n".join(
        [
            f"## {heading}\n",
            *([f"{told}\n"] if told else []),
            f"`{taken['command']}`, {taken['at']}. {taken['machine']}.\n",
            *(f"### {numbers.title}\n\n{drawn(numbers)}\n" for numbers in tables),
        ]
    )
