"""`perdure renewals` and `perdure domains`, as a shell runs them."""

from pathlib import Path
from uuid import uuid4

from perdure.core.ids import new_id
from perdure.legacy import queue
from perdure.operations import store
from perdure.operations.lanes.store import ELSEWHERE
from perdure.operations.model import Status
from perdure.storage.pool import transaction

from .conftest import House
from .shell import Shell

EXPIRES_ON = "2099-01-31"


def write_file(folder: Path, *rows: str) -> str:
    path = folder / "domains.csv"
    path.write_text("\n".join(["name,customer_id,expires_on", *rows, ""]))
    return str(path)


def new_name() -> str:
    return f"{uuid4().hex[:12]}.info"


async def test_domains_are_imported_shown_and_imported_again(shell: Shell, tmp_path: Path) -> None:
    names = [new_name() for _ in range(3)]
    rows = [f"{name},cus_1,{EXPIRES_ON}" for name in names]
    file = write_file(tmp_path, *rows)
    assert shell.json("domains", "import", file)["added"] == 3
    again = shell.json("domains", "import", file)
    assert (again["added"], again["changed"], again["unchanged"]) == (0, 0, 3)
    changed = write_file(tmp_path, f"{names[0]},cus_2,{EXPIRES_ON}", *rows[1:], rows[1])
    text = shell.run("domains", "import", changed)
    assert text.returncode == 0, text.stderr
    assert "0 domains added, 1 changed, 3 as they were." in text.stdout
    shown = shell.json("domains", "show", names[0])
    assert (shown["object"], shown["customer_id"]) == ("domain", "cus_2")
    assert (shown["expires_on"], shown["renewing"]) == (EXPIRES_ON, None)
    assert names[0] in shell.run("domains", "show", names[0]).stdout
    missing = shell.run("domains", "show", "nobody-has-it.info")
    assert missing.returncode == 1
    assert "There is no domain" in missing.stderr


async def test_a_renewal_is_made_once_shown_listed_and_cancelled(
    house: House, shell: Shell, tmp_path: Path
) -> None:
    name = new_name()
    file = write_file(tmp_path, f"{name},{house.customer_id},{EXPIRES_ON}")
    shell.json("domains", "import", file)
    whose = ("--customer", house.customer_id)
    create = ("renewals", "create", *whose, "--account", house.account_id, "--domain", name)
    made = shell.json(*create, "--years", "2")
    assert made["id"].startswith("rnw_")
    assert (made["status"], made["domain"], made["years"]) == ("pending", name, 2)
    assert (made["current_expires_on"], made["expires_on"]) == (EXPIRES_ON, None)
    assert shell.json(*create, "--years", "2")["id"] == made["id"]
    other = shell.run(*create, "--years", "3")
    assert other.returncode == 1
    assert made["id"] in other.stderr
    assert name in shell.run("renewals", "show", made["id"]).stdout
    assert shell.json("renewals", "list", *whose)["data"] == [made]
    assert made["id"] in shell.run("renewals", "list", *whose).stdout
    assert shell.json("domains", "show", name)["renewing"] == made["id"]
    busy = shell.run("domains", "import", file)
    assert busy.returncode == 1
    assert "It is being renewed" in busy.stdout
    assert shell.json("renewals", "cancel", made["id"], "--reason", "No.")["accepted"]


async def test_what_was_paid_is_shown(house: House, shell: Shell, tmp_path: Path) -> None:
    name = new_name()
    file = write_file(tmp_path, f"{name},{house.customer_id},{EXPIRES_ON}")
    shell.json("domains", "import", file)
    whose = ("--customer", house.customer_id, "--account", house.account_id)
    made = shell.json("renewals", "create", *whose, "--domain", name)
    result = {
        "expires_on": "2100-01-31",
        "price_minor": 1499,
        "currency": "USD",
        "registry_renewal_id": "ren_1",
    }
    async with transaction(house.pool) as connection:
        locked = await store.lock(connection, made["id"])
        await store.move(connection, locked, Status.SUCCEEDED, action="recorded", result=result)
    assert "14.99 USD" in shell.run("renewals", "show", made["id"]).stdout
    shown = shell.json("renewals", "get", made["id"])
    assert {name: shown[name] for name in result} == result


async def test_what_the_old_system_holds_is_shown_and_moved(
    house: House, shell: Shell, tmp_path: Path
) -> None:
    name, registry = new_name(), new_id("reg")
    shell.json(
        "domains", "import", write_file(tmp_path, f"{name},{house.customer_id},{EXPIRES_ON}")
    )
    whose = ("--customer", house.customer_id, "--account", house.account_id)
    renewal = shell.json("renewals", "create", *whose, "--domain", name)["id"]
    async with transaction(house.pool) as connection:
        await connection.execute(
            "UPDATE operations SET lane = $2 WHERE id = $1", renewal, ELSEWHERE
        )
        await queue.put(connection, "renewal", "renew", {renewal: registry})
    held = [one for one in shell.json("legacy", "status")["data"] if one["part"] == registry]
    assert [(one["queued"], one["running"], one["failing"]) for one in held] == [(1, 0, 0)]
    assert registry in shell.run("legacy", "status").stdout
    for moved in (1, 0):
        done = shell.run("legacy", "move", registry, "--reason", "Its week.")
        assert (done.stdout, done.stderr) == (f"{moved} moved.\n", "")
    assert registry not in shell.run("legacy", "status").stdout
    last = shell.json("operations", "show", renewal)["trail"][-1]
    assert (last["action"], last["actor"], last["reason"]) == (
        "moved_from_legacy",
        "key:tests",
        "Its week.",
    )


async def test_a_bad_row_is_named_with_its_line(shell: Shell, tmp_path: Path) -> None:
    file = write_file(tmp_path, f"{new_name()},cus_1,{EXPIRES_ON}", "Not a name,cus_1,2027-01-01")
    done = shell.run("domains", "import", file)
    assert done.returncode == 1
    assert "1 domains added" in done.stdout
    assert "line 3: Not a name" in done.stdout


async def test_a_registry_has_to_be_named_with_its_tld(shell: Shell) -> None:
    done = shell.run("verify", "--registry", "http://127.0.0.1:1")
    assert done.returncode == 1
    assert "info=http" in done.stderr
    away = shell.run("verify", "--registry", "info=http://127.0.0.1:1")
    assert "registry of .info" in away.stderr
