"""The page's sections on what is measured by itself: the ledger, and the first of a month."""

import json
from pathlib import Path
from typing import Any

from bench.results import spread


def sections(folder: Path) -> list[str]:
    """Return a section for each of these results that is there."""
    makers = {"ledger.json": _ledger, "renewals.json": _renewals}
    return [
        make(json.loads((folder / name).read_text()))
        for name, make in makers.items()
        if (folder / name).exists()
    ]


def _ledger(found: dict[str, Any]) -> str:
    accounts = sorted({row["accounts"] for row in found["transfers_per_s"]})
    rounds = {(row["way"], row["accounts"]): row["rounds"] for row in found["transfers_per_s"]}
    headings = " | ".join("one hot account" if n == 1 else f"{n:,} accounts" for n in accounts)
    lines = [
        f"| Perdure's ledger on PostgreSQL | {headings} |",
        f"| --- |{' ---: |' * len(accounts)}",
        *(
            f"| {way} | {' | '.join(spread(rounds[way, n]) for n in accounts)} |"
            for way in dict.fromkeys(way for way, _ in rounds)
        ),
    ]
    taken = f"`{found['taken']['command']}`, {found['taken']['at']}"
    published = [
        f"| {one['product']} | {one['figure']} | {one['measured']} | {one['source']} |"
        for one in found["references"]
    ]
    return "\n".join(
        [
            "## The ledger alone\n",
            f"Transfers posted a second, durable; {taken}.\n",
            *lines,
            "\nWhat others publish, not measured here:\n",
            "| product | figure | what was measured | where |",
            "| --- | --- | --- | --- |",
            *published,
            f"\n{found['conclusion']}\n",
        ]
    )


def _renewals(found: dict[str, Any]) -> str:
    rows = []
    for registry in found["registries"]:
        reached = found["reached_per_s"][registry["tld"]]
        books = found["books"][registry["tld"]]
        rows.append(
            f"| .{registry['tld']} | {registry['per_second']} | {reached or 0:.1f} |"
            f" {registry['at_once']} | {books['renewals']['renewed']:,} |"
            f" {books['renewed_more_than_once']['count']} | {books['refusals'] or 'none'} |"
        )
    return "\n".join(
        [
            "## The first of a month in miniature\n",
            f"`{found['command']}`, {found['at']}.\n",
            "Everything as `perdure up` runs it; each of three registries has limits of its own.",
            "A renewal is two calls.\n",
            "| registry | calls/s set | reached | at once | renewed | more than once | refused |",
            "| --- | ---: | ---: | ---: | ---: | ---: | --- |",
            *rows,
            "",
            *(f"- {line}" for line in found["conclusions"]),
            "",
        ]
    )
