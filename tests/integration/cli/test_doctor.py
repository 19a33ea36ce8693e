"""`perdure doctor`, as far as it looks at the work itself."""

import asyncio
import json
from pathlib import Path

import pytest

from perdure.cli.doctor_work import look_at_work
from perdure.cli.environment import DataFolder, write_environment
from perdure.cli.findings import Finding, Health
from perdure.core.ids import new_id
from perdure.core.ports import LOOPBACK
from perdure.legacy import queue as legacy
from perdure.limits import store as limits
from perdure.limits.model import Ask, Heard, Limit
from perdure.limits.rules import FAILURES_MAX
from perdure.payments.contracts import PaymentRequest
from perdure.simulators.bank import BankSettings, open_bank
from perdure.simulators.gateway_processing import GatewaySettings
from perdure.simulators.stripe import open_stripe
from perdure.storage.pool import Pool, transaction

from .conftest import House
from .shell import Shell


async def findings(pool: Pool, subject: str) -> list[Finding]:
    return [found async for found in look_at_work(pool) if found.subject == subject]


async def accept(house: House) -> str:
    request = PaymentRequest(house.customer_id, house.account_id, 100, "USD", "tok_ok")
    async with transaction(house.pool) as connection:
        return (await house.payments.accept(connection, request, actor="test")).id


async def test_operations_that_need_somebody_are_told(house: House) -> None:
    async def set_status(status: str, among: list[str]) -> None:
        await house.pool.execute(
            "UPDATE operations SET status = $1 WHERE id = ANY($2)", status, among
        )

    # Other tests' are set aside.
    others = [
        row["id"]
        for row in await house.pool.fetch(
            "SELECT id FROM operations WHERE status = 'needs_attention'"
        )
    ]
    await set_status("pending", others)
    assert [found.health for found in await findings(house.pool, "attention")] == [Health.OK]
    await set_status("needs_attention", [await accept(house)])

    [found] = await findings(house.pool, "attention")

    assert (found.health, found.detail) == (Health.WARN, "1 operations need somebody")
    assert found.fix == "perdure operations list --status needs_attention"
    await set_status("needs_attention", others)


async def test_a_provider_that_is_not_called_is_told(pool: Pool) -> None:
    provider = new_id("prv")
    await limits.set_limit(pool, Limit(provider, at_once=5), actor="test", reason="test")
    assert not [one for one in await findings(pool, "providers") if provider in one.detail]

    await limits.ask(pool, provider, "test", Ask(waiting=7, under_way=0, failures=FAILURES_MAX))

    [found] = [one for one in await findings(pool, "providers") if provider in one.detail]
    assert found.health == Health.WARN
    assert found.detail.startswith(f"{provider} answers nobody; it is tried again after ")
    assert found.detail.endswith("; 7 calls wait here")


async def test_a_provider_that_fails_most_of_few_calls_is_told_before_anything_breaks(
    pool: Pool,
) -> None:
    """One that hangs: nothing is known of it but that a call or two ran out of time."""
    provider = new_id("prv")
    heard = {"charge": Heard(answered=1, failed=2, is_failing=True)}
    await limits.ask(pool, provider, "test", Ask(0, 5, failures=2, heard=heard))

    [found] = [one for one in await findings(pool, "providers") if provider in one.detail]
    assert found.health == Health.WARN
    assert "leaves calls unanswered (67% of the latest), since " in found.detail


@pytest.mark.parametrize(
    ("status", "since", "health"),
    [
        ("unknown", "30 seconds", Health.OK),
        ("unknown", "2 minutes", Health.WARN),
        ("waiting", "2 minutes", Health.OK),
        ("waiting", "11 minutes", Health.WARN),
    ],
)
async def test_how_long_the_oldest_has_stood_so_is_told(
    house: House, status: str, since: str, health: Health
) -> None:
    operation_id = await accept(house)
    await house.pool.execute(
        "UPDATE operations SET status = $2, updated_at = now() - $3::text::interval WHERE id = $1",
        operation_id,
        status,
        since,
    )
    [found] = await findings(house.pool, status)
    await house.pool.execute(
        "UPDATE operations SET status = 'cancelled', finished_at = now() WHERE id = $1",
        operation_id,
    )
    assert found.health == health
    assert "the oldest for" in found.detail


@pytest.mark.parametrize(
    ("waited", "health"), [("5 minutes", Health.OK), ("11 minutes", Health.WARN)]
)
async def test_an_old_system_that_stands_still_is_told(
    house: House, waited: str, health: Health
) -> None:
    operation_id = await accept(house)
    registry = new_id("reg")
    async with transaction(house.pool) as connection:
        await legacy.put(connection, "renewal", "renew", {operation_id: registry})
        await connection.execute(
            f"UPDATE legacy_operations SET queued_at = now() - interval '{waited}'"
            " WHERE operation_id = $1",
            operation_id,
        )

    [found] = [one for one in await findings(house.pool, "old system") if registry in one.detail]

    assert found.health == health
    assert "1 queued, 0 running" in found.detail


async def test_another_simulator_in_a_providers_place_is_told(
    house: House, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_bank(BankSettings(tmp_path / "bank", port=0)) as port:
        url = f"http://127.0.0.1:{port}"
        monkeypatch.setenv("PERDURE_BANK_URL", url)
        monkeypatch.setenv("PERDURE_GATEWAY_URL", url)
        shell = Shell(database_url, tmp_path)
        done = await asyncio.to_thread(shell.run, "doctor", "-o", "json")
    found = {one["subject"]: one for one in json.loads(done.stdout)["findings"]}
    assert found["bank"]["health"] == Health.OK
    assert found["gateway"]["health"] == Health.FAIL
    assert found["gateway"]["detail"].startswith("the simulator bank with the books ")


async def test_each_provider_is_told_with_its_class_and_tried_with_its_credentials(
    house: House, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    books = GatewaySettings(tmp_path / "stripe", "whsec_" + "QUJD" * 8, port=0)
    async with open_stripe(books) as port, open_bank(BankSettings(tmp_path, port=0)) as bank:
        url = f"http://127.0.0.1:{port}"
        monkeypatch.setenv("PERDURE_GATEWAY", "stripe")
        monkeypatch.setenv("PERDURE_STRIPE_API_BASE", url)
        monkeypatch.setenv("PERDURE_BANK_URL", f"http://127.0.0.1:{bank}")
        monkeypatch.setenv("PERDURE_SMS", "twilio")

        async def found(key: str) -> dict[str, dict[str, str]]:
            monkeypatch.setenv("PERDURE_STRIPE_API_KEY", key)
            shell = Shell(database_url, tmp_path)
            done = await asyncio.to_thread(shell.run, "doctor", "-o", "json")
            return {one["subject"]: one for one in json.loads(done.stdout)["findings"]}

        told, wrong = await found("sk_test_1"), await found("sk_live_hunter2")
    served = f"stripe (perdure.providers.stripe) at {url}"
    assert (told["gateway"]["health"], told["gateway"]["detail"]) == (Health.OK, served)
    assert told["bank"]["detail"].startswith("http (perdure.providers.bank) at http://127.0.0.1:")
    assert told["bank"]["health"] == Health.OK
    assert told["sms"]["health"] == Health.FAIL
    assert "PERDURE_SMS=twilio: there is no such provider; there are http" in told["sms"]["detail"]
    assert "PERDURE_STRIPE_CALLBACK_SECRETS" in told["gateway callbacks"]["fix"]
    assert wrong["gateway"]["health"] == Health.FAIL
    assert "does not take our credentials (401)" in wrong["gateway"]["detail"]
    assert "hunter2" not in str(wrong)


def test_where_up_has_run_and_does_not_any_more_a_command_says_so(
    tmp_path: Path, own_port: int
) -> None:
    folder = DataFolder(tmp_path)
    url = f"postgresql://postgres@/perdure?host={tmp_path}&port=5432"
    settings = {"DATABASE_URL": url, "PERDURE_API_URL": f"http://{LOOPBACK}:{own_port}"}
    write_environment(folder.environment_path, settings)
    folder.api_key_path.write_text("perdure_x\n")
    for command in ("payments", "keys"):
        done = Shell("", tmp_path).run(command, "list")
        assert done.returncode == 1
        assert f"`perdure up` is not running on {tmp_path}: start it, or set" in done.stderr
        assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("keys", "`perdure up` has not run on {}. Start it, or set DATABASE_URL"),
        ("payments", "No API is known: set PERDURE_API_URL and PERDURE_API_KEY"),
    ],
)
def test_where_up_never_ran_a_command_says_so(tmp_path: Path, command: str, said: str) -> None:
    done = Shell("", tmp_path).run(command, "list")
    assert done.returncode == 1
    assert said.format(tmp_path) in done.stderr


def test_it_ends_with_1_and_says_what_to_do_where_something_is_away(
    database_url: str, tmp_path: Path
) -> None:
    done = Shell(database_url, tmp_path).run("doctor", "-o", "json")

    assert done.returncode == 1, done.stderr
    found = {one["subject"]: one for one in json.loads(done.stdout)["findings"]}
    assert found["database"]["health"] == "ok"
    assert found["temporal"]["health"] == "fail"
    assert "TEMPORAL_ADDRESS" in found["temporal"]["fix"]
    assert {"registry .info", "attention"} <= found.keys()
