"""The house knows no kind of operation, and no provider, by name: `capabilities.py` does."""

import re
from pathlib import Path

import pytest

from perdure.capabilities import installed

from .source import PACKAGE, python_files

HOUSE = (
    "bootstrap.py",
    "config.py",
    "outside.py",
    "api",
    "chaos",
    "cli",
    "console",
    "soak",
    "worker",
    "operations",
    "durable",
    "core",
    "storage",
    "flags",
    "limits",
)
"""Parts that would have to be changed for a new kind, if they named one."""

KINDS = [
    name
    for kind in installed().values()
    # A refund is of any kind; "transfer" is the ledger's word too, and looked for as a whole one.
    if kind.name not in ("refund", "transfer")
    for name in (kind.name, kind.plural)
]
NAMED = re.compile(
    rf"{'|'.join(KINDS)}|gateway|payout|scorer|\b(transfers?|bank|registry|registries)\b",
    re.IGNORECASE,
)

STILL_ALLOWED = {
    "api/account_schemas.py": "the ledger's transfers, and money that arrived at the bank",
    "api/accounts.py": "the same",
    "api/deposits.py": "the same",
    "api/ledger.py": "the ledger's transfers",
    "cli/ledger.py": "the ledger's transfers, and money that arrived at the bank",
    "core/errors.py": "an example in a docstring",
    "core/ids.py": "the ledger's transfers",
    "core/tlds.py": "endings of domains",
    "durable/versions.py": "markers are in histories, by the names they had",
    "flags/model.py": "an example in a docstring",
    "flags/routing.py": "OpenFeature's registry",
    "operations/funded_acceptance.py": "an example in a docstring",
}
"""Files that may name one, and why: this list only gets shorter."""


def _house() -> list[Path]:
    return [
        path
        for path in python_files(PACKAGE)
        if path.relative_to(PACKAGE).parts[0] in HOUSE
        and str(path.relative_to(PACKAGE)) not in STILL_ALLOWED
        # What was decided of a database once stays as it was.
        and "migrations" not in path.parts
    ]


@pytest.mark.parametrize("path", _house(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_the_house_names_no_kind_and_no_provider(path: Path) -> None:
    named = [
        f"{number}: {line.strip()}"
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if NAMED.search(line)
    ]
    assert not named, f"{path.name} names what belongs in a kind's folder: {named}"


@pytest.mark.parametrize("name", STILL_ALLOWED)
def test_what_is_allowed_to_is_there_and_does(name: str) -> None:
    assert NAMED.search((PACKAGE / name).read_text()), f"{name} names none any more; take it out"
