"""Imports point one way, so that a part can be read, tested and replaced by itself."""

from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from .source import PACKAGE, imported_modules, imports, modules, python_files

CAPABILITIES = {
    "payments",
    "transfers",
    "renewals",
    "refunds",
    "trades",
    "reconciliation",
    "bank_sync",
    "onboarding",
    "fraud",
    "identity",
    "notifications",
}
SERVICES = {
    "fraud": {"registration.py"},
    "identity": {"registration.py", "wiring.py", "process.py", "workflow.py"},
}
"""What kinds have done for them, and the files of a kind that put it to work: its steps are among
theirs, and a check that takes days is a part of their own script."""
TELLING = tuple(f"perdure.notifications.{name}" for name in ("store", "rules", "telling"))
"""Messages are owed in the commit of what they tell, so capabilities write them themselves."""

OF_ENTRANCES = {
    "routes.py": {"api", "config", "outside"},
    "book_routes.py": {"api"},
    "schemas.py": {"api"},
    "commands.py": {"cli"},
    "importing.py": {"cli"},
    "chaos.py": {"bootstrap", "chaos", "cli"},
    "chaos_figures.py": {"chaos"},
    "chaos_people.py": {"chaos"},
    "demo.py": {"bootstrap", "cli"},
    "demo_show.py": {"bootstrap", "cli"},
    "demo_move.py": {"bootstrap", "cli"},
    "doctor.py": {"cli"},
    "on_machine.py": {"cli", "bootstrap", "config", "outside"},
}
"""A kind's own routes, commands, load and demo are parts of API, command line and chaos, which find
them by their name; so is what its commands do on the machine itself."""

ENTRANCES = {
    *("api", "chaos", "cli", "codec_server", "console", "fintech", "soak", "testing", "worker"),
}

MAY_IMPORT: dict[str, set[str]] = {
    "core": set(),
    "storage": {"core"},
    "ledger": {"core", "storage"},
    "limits": {"core", "storage"},
    "flags": {"core", "storage"},
    "profiles": {"core", "storage"},
    "operations": {"core", "storage", "ledger", "limits"},
    "durable": {"core", "storage", "operations", "limits"},
    "providers": {"core"},
    "simulators": {"core"},
    "embedded": {"core"},
    "config": {"core"},
    "observability": {"core", "storage", "operations"},
    "capability": {
        "core",
        "config",
        "storage",
        "ledger",
        "operations",
        "durable",
        "providers",
        "limits",
        "flags",
        "outside",
        "capabilities",
    },
    "capabilities": {"core", "capability"},
    # What the API's routes call, and no statements of its own.
    "console": {
        "core",
        "operations",
        "limits",
        "flags",
        "capability",
        "capabilities",
        "notifications",
        "bootstrap",
        "api",
    },
    "legacy": {
        "core",
        "storage",
        "ledger",
        "operations",
        "capability",
        "capabilities",
    },
    **{
        name: {
            "core",
            "storage",
            "ledger",
            "operations",
            "durable",
            "providers",
            "limits",
            "flags",
            "profiles",
            "capability",
            "config",
            "outside",
            "legacy",
        }
        for name in CAPABILITIES
    },
}
"""What each part may import, beside itself; the root and the entrances are not named."""

WORKFLOW_IMPORTS = (
    "temporalio",
    "asyncio",
    "collections.abc",
    "dataclasses",
    "datetime",
    "typing",
    "functools",
    "perdure.capability.own_workflow",
    "perdure.core.",
    "perdure.durable.failures",
    "perdure.durable.first_tries",
    "perdure.durable.options",
    "perdure.durable.versions",
    "perdure.durable.queues",
    "perdure.durable.reversal",
    "perdure.durable.scope",
    "perdure.durable.script",
    "perdure.identity.waiting",
    "perdure.notifications.telling",
)

TOUCHES_THE_WORLD = ("temporalio", "asyncpg", "perdure.storage", "aiohttp", "httpx")


def part_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def own_imports(path: Path) -> list[str]:
    return [name for name in imports(path) if name.startswith("perdure.")]


@pytest.mark.parametrize(
    "path", python_files(PACKAGE), ids=lambda path: str(path.relative_to(PACKAGE))
)
def test_imports_point_one_way(path: Path) -> None:
    part = part_of(path)
    if part not in MAY_IMPORT:
        return
    for name in own_imports(path):
        target = name.split(".")[1]
        of_sibling = {part, target} <= CAPABILITIES | {"capability", "legacy"} and (
            ".contracts" in name or name.startswith(TELLING)
        )
        of_service = path.name in SERVICES.get(target, ())
        of_entrance = target in OF_ENTRANCES.get(path.name, ())
        # A kind whose provider only it has stands in for it, and tests know how that is done.
        of_simulator = target == "simulators" and path.parent.name == "simulators"
        may = of_sibling or of_service or of_entrance or of_simulator
        assert target == part or target in MAY_IMPORT[part] or may, (
            f"{path.name} imports {name}: {part} may import {sorted(MAY_IMPORT[part])}, and of a"
            " sibling capability only its contracts"
        )


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.glob("*/workflow.py")), ids=lambda path: path.parent.name
)
def test_a_workflow_imports_nothing_that_touches_the_world(path: Path) -> None:
    for name in imports(path):
        own = name.startswith("perdure.") and name.split(".")[2] in {
            "contracts",
            "rules",
            "process",
        }
        assert own or name.startswith(WORKFLOW_IMPORTS), f"{path} imports {name}"


@pytest.mark.parametrize("name", ["rules", "process", "contracts"])
def test_pure_modules_import_no_temporal_and_no_storage(name: str) -> None:
    for path in PACKAGE.glob(f"*/{name}.py"):
        for imported in imports(path):
            assert not imported.startswith(TOUCHES_THE_WORLD), f"{path} imports {imported}"


@pytest.mark.parametrize("path", python_files(PACKAGE / "trades/book"), ids=lambda path: path.name)
def test_the_matcher_is_pure(path: Path) -> None:
    """Neither storage nor a clock nor chance: what is replayed in years gives the same bytes."""
    for name in imports(path):
        of_ours = name.startswith(("perdure.core.", "perdure.trades.book."))
        pure = name.partition(".")[0] in {
            "bisect",
            "collections",
            "dataclasses",
            "json",
            "operator",
            "types",
            "typing",
        }
        assert of_ours or pure, f"{path.name} imports {name}"


def test_no_modules_import_each_other() -> None:
    """Not for their types either: what two need is a third's."""
    try:
        TopologicalSorter(
            {name: imported_modules(path) for name, path in modules().items()}
        ).prepare()
    except CycleError as circle:
        pytest.fail(" -> ".join(circle.args[1]))


def test_packages_are_empty_as_the_sandbox_imports_them() -> None:
    for path in PACKAGE.rglob("__init__.py"):
        if path.parent != PACKAGE:
            assert path.read_text() == "", f"{path} is not empty"


def test_nobody_outside_the_entrances_imports_the_composition_root() -> None:
    for path in python_files(PACKAGE):
        is_entrance = "bootstrap" in OF_ENTRANCES.get(path.name, ())
        if is_entrance or part_of(path) in ENTRANCES | {"bootstrap", "simulators"}:
            continue
        assert not any(name.startswith("perdure.bootstrap") for name in own_imports(path)), path


OPENS_THE_DATABASE = {
    *("api/main.py", "codec_server/main.py", "worker/main.py", "renewals/legacy/on_machine.py"),
    "trades/legacy/on_machine.py",
    *("cli/migrate.py", "cli/machine.py", "cli/up.py", "cli/demo_stage.py"),
    *("cli/archive.py", "cli/doctor.py", "cli/verify.py", "cli/keys.py", "cli/payload_keys.py"),
    *("cli/ledger_export.py", "cli/replay.py"),
    *("chaos/run.py", "soak/run.py"),
    # What they open it with, and the tests' own.
    *("bootstrap.py", "cli/session.py", "testing/house.py", "testing/servers.py"),
}
"""Whatever else an operator does is asked of the API: see ADR 27."""

OPENERS = tuple(
    f"perdure.{name}"
    for name in (
        *("bootstrap.open_platform", "cli.session.open_session", "schema.migrate"),
        "storage.pool.open_pool",
    )
)


def test_only_what_is_about_the_machine_opens_the_database() -> None:
    found = {
        str(path.relative_to(PACKAGE))
        for path in python_files(PACKAGE)
        if part_of(path) != "storage" and not set(OPENERS).isdisjoint(imports(path))
    }
    assert found == OPENS_THE_DATABASE
