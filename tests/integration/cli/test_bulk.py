"""`perdure bulk`, as a shell runs it; Temporal is away, so a bulk is begun by nobody."""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest

from perdure.operations.bulk.runner import BulkStretch
from perdure.operations.bulk.selection import select_items
from perdure.operations.bulk.service import BulkService
from perdure.operations.service import OperationService
from perdure.storage.pool import open_pool
from tests.integration.bulk.office import Office
from tests.servers import migrated_database

from .conftest import RecordingEngine
from .shell import ServedApi, Shell, served_api

WHY = ("--reason", "registry is back")


@pytest.fixture(scope="module")
async def own_database_url(postgres_url: str) -> AsyncIterator[str]:
    """A database nobody else reads: the operations here have no requests."""
    async with migrated_database(postgres_url) as url:
        yield url


@pytest.fixture(scope="module")
async def office(own_database_url: str) -> AsyncIterator[Office]:
    async with open_pool(own_database_url, size=20, application_name="perdure-tests") as pool:
        operations = OperationService(pool, RecordingEngine())
        yield Office(pool, operations, BulkService(pool, operations))


@pytest.fixture(scope="module")
async def own_api(own_database_url: str, office: Office) -> AsyncIterator[ServedApi]:
    async with served_api(own_database_url, office.pool) as api:
        yield api


@pytest.fixture
def shell(own_api: ServedApi, tmp_path: Path) -> Shell:
    return Shell(own_api.database_url, tmp_path, own_api)


async def carry_out(office: Office, bulk_id: str) -> None:
    await select_items(office.pool, bulk_id)
    await office.runner().run(bulk_id, BulkStretch())
    await office.runner().finish(bulk_id)


async def test_what_is_shown_first_is_done_with_yes_and_its_number_r8(
    shell: Shell, office: Office
) -> None:
    customer = f"cus_{uuid4().hex[:8]}"
    failure = {"code": "registry_unavailable", "message": "x", "step": "renew", "param": None}
    await office.add(120, status="processing", customer_id=customer, failure=failure)
    these = ("park", "--customer", customer, "--failure-code", "registry_unavailable", *WHY)
    preview = shell.json("bulk", "create", *these, "--dry-run")
    assert (preview["count"], len(preview["sample"])) == (120, 10)
    shown = shell.run("bulk", "create", *these)
    assert shown.returncode == 1
    assert "add --yes --confirm-count 120" in shown.stderr
    sure = ("--yes", "--confirm-count", "120", "--per-second", "5000")
    bulk = shell.json("bulk", "create", *these, *sure)
    assert (bulk["action"], bulk["counted"], bulk["status"]) == ("park", 120, "pending")
    await carry_out(office, bulk["id"])
    done = shell.run("bulk", "show", bulk["id"], "--watch")
    assert done.returncode == 0, done.stderr
    assert "120 of 120, 120 done" in done.stdout
    found = shell.json("bulk", "items", bulk["id"], "--state", "done", "--limit", "500")["data"]
    assert [item["number"] for item in found] == list(range(1, 121))
    undo = shell.json("bulk", "undo", bulk["id"], *WHY, "--confirm-count", "120")
    assert (undo["action"], undo["undo_of"]) == ("release", bulk["id"])
    assert shell.json("bulk", "pause", undo["id"], *WHY)["is_paused"] is True
    assert shell.json("bulk", "stop", undo["id"], *WHY)["cancel_request"] is not None


async def test_operations_are_named_in_a_file_and_those_refused_end_with_1(
    shell: Shell, office: Office, tmp_path: Path
) -> None:
    ids = await office.add(3)
    (ended,) = await office.add(1, status="succeeded")
    file = tmp_path / "ids.txt"
    file.write_text("# stuck since noon\n" + "\n".join([*ids, ended]) + "\n\npay_unknown  # typo\n")
    preview = shell.json("bulk", "create", "park", "--file", str(file), *WHY, "--dry-run")
    assert (preview["count"], preview["unknown"]) == (5, 1)
    bulk = shell.json("bulk", "create", "park", "--file", str(file), *WHY, "--yes")
    await carry_out(office, bulk["id"])
    watched = shell.run("bulk", "show", bulk["id"], "--watch")
    assert watched.returncode == 1
    assert "3 done, 2 refused" in watched.stdout
    listed = shell.run("bulk", "items", bulk["id"]).stdout
    assert "not_parkable" in listed
    assert "not_found" in listed


async def test_what_is_wrong_names_the_option_and_the_fix(shell: Shell, tmp_path: Path) -> None:
    empty = tmp_path / "empty.txt"
    empty.write_text("# nothing\n")
    for arguments, says in (
        (("delete", "--kind", "payment"), "there are cancel, relaunch"),
        (("park", "--created-after", "noon"), "2030-01-31T12:00:00Z"),
        (("park", "--file", str(empty), "--kind", "payment"), "not both"),
        (("park", "--customer", "nobody", "--yes"), "No operation matches"),
    ):
        done = shell.run("bulk", "create", *arguments, *WHY)
        assert done.returncode == 1, (arguments, done.stdout, done.stderr)
        assert says in done.stderr, arguments
    done = shell.run("bulk", "show", "blk_1")
    assert "There is no bulk blk_1" in done.stderr


async def test_a_file_names_more_than_one_request_takes_r8(
    shell: Shell, office: Office, tmp_path: Path
) -> None:
    wanted = await office.add(25_000)
    file = tmp_path / "ids.txt"
    file.write_text("\n".join([*wanted, wanted[0], "pay_unknown"]))
    these = ("bulk", "create", "park", "--file", str(file), *WHY)
    preview = shell.json(*these, "--dry-run")
    assert (preview["count"], preview["unknown"]) == (25_001, 1)
    assert (
        "These are 25001 operations"
        in shell.run(*these, "--yes", "--confirm-count", "25000").stderr
    )
    bulk = shell.json(*these, "--yes", "--confirm-count", "25001")
    assert (bulk["counted"], bulk["query"], bulk["selected"]) == (25_001, None, False)
    assert await select_items(office.pool, bulk["id"]) == 25_001
    found = await office.pool.fetch(
        "SELECT operation_id FROM bulk_items WHERE bulk_id = $1 ORDER BY number", bulk["id"]
    )
    assert [row["operation_id"] for row in found] == [*wanted, "pay_unknown"]
