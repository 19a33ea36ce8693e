"""The kinds there are: the built-in ones, and what other packages bring and may."""

import subprocess
import sys
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from perdure import capabilities
from perdure.capabilities import ALLOWED, GROUP, attribute, installed, load, places, refuse_others
from perdure.core.errors import ConfigurationError

HERE = "tests.unit.capability.test_capabilities"
GIFTS = capabilities.load("transfers")
GIFTCARDS = replace(GIFTS, plural="giftcards")
KEYS = replace(GIFTCARDS, name="gift", id_prefix="key", workflow="Gift")


@pytest.fixture
def packages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, str]:
    """Entry points as packages would bring them, and one that raises."""
    (tmp_path / "unlicensed_gifts.py").write_text("raise RuntimeError('no licence')")
    monkeypatch.syspath_prepend(str(tmp_path))
    found: dict[str, str] = {}

    def entry_points(*, group: str) -> list[EntryPoint]:
        assert group == GROUP
        return [EntryPoint(name, value, group) for name, value in found.items()]

    monkeypatch.setattr(capabilities, "entry_points", entry_points)
    for remembered in (capabilities._places, capabilities._installed, capabilities._loaded):
        remembered.cache_clear()
    return found


def test_the_built_in_kinds_name_what_can_be_imported() -> None:
    for capability in installed().values():
        named = [
            capability.wire,
            capability.work,
            capability.refundable,
            capability.invariants,
            *capability.routes,
            *capability.commands.values(),
            *capability.groups.values(),
        ]
        assert all(attribute(place) is not None for place in named if place is not None)


def test_declarations_import_nothing_that_takes_long() -> None:
    heavy = "temporalio", "asyncpg", "fastapi", "pydantic", "aiohttp", "typer"
    program = (
        "import sys; from perdure.capabilities import installed; installed();"
        f" print([name for name in {heavy} if name in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
    assert told.stdout.decode().strip() == "[]"


def test_a_package_is_loaded_only_if_it_is_allowed(
    packages: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    packages["giftcards"] = "giftcards.capability:GIFTCARDS"
    assert "giftcards" not in places()
    with pytest.raises(ConfigurationError, match="giftcards, which PERDURE_CAPABILITIES does not"):
        refuse_others()
    monkeypatch.setenv(ALLOWED, '["giftcards"]')
    assert places()["giftcards"] == "giftcards.capability:GIFTCARDS"
    refuse_others()


@pytest.mark.parametrize(
    ("allowed", "value", "told"),
    [
        ("giftcards", "", "it is no JSON"),
        ('{"giftcards": 1}', "", "write a list of names"),
        ('["vouchers"]', "", "names vouchers, and no package"),
        ('["giftcards"]', "giftcards.nowhere:GIFTCARDS", "No module named 'giftcards'"),
        ('["giftcards"]', f"{HERE}:nothing", "has no attribute 'nothing'"),
        ('["giftcards"]', "unlicensed_gifts:GIFTS", "RuntimeError('no licence')"),
        ('["giftcards"]', f"{HERE}:GROUP", "is no Capability"),
        ('["giftcards"]', f"{HERE}:GIFTS", "calls itself transfers, not giftcards"),
        (
            '["giftcards"]',
            f"{HERE}:GIFTCARDS",
            "giftcards has the name 'transfer', which transfers",
        ),
        ('["giftcards"]', f"{HERE}:KEYS", "has the id_prefix 'key', which is the house's own"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(
    allowed: str,
    value: str,
    told: str,
    packages: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    packages["giftcards"] = value
    monkeypatch.setenv(ALLOWED, allowed)
    with pytest.raises(ConfigurationError) as refused:
        installed()
    assert told in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_kind_that_is_not_there_is_none() -> None:
    with pytest.raises(ConfigurationError, match="There are no futures; this installation has pay"):
        load("futures")
