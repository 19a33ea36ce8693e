"""A sync's script: what follows what, and what ends it."""

from typing import Any

from perdure.bank_sync.contracts import (
    BankSyncEnd,
    BankSyncInput,
    BankSyncRequest,
    Looked,
    Progress,
)
from perdure.bank_sync.process import PAGES_MAX, run_bank_sync
from perdure.core.errors import PerdureError, Refused
from tests.unit.scripted_runner import ScriptedRunner

SYNC = BankSyncInput("bks_1", BankSyncRequest("cus_1", "bki_1"))
LOOKS = {"enrich", "categorise", "detect_anomalies"}


def runner(**answers: Any) -> ScriptedRunner:
    looked = dict.fromkeys(LOOKS, Looked(1, 1))
    usual = {
        "fetch_page": Progress(1, 1, 0, has_more=False),
        "apply": BankSyncEnd("succeeded", 1),
        "close": lambda given: BankSyncEnd("failed", failure=given.failure),
        **looked,
    }
    return ScriptedRunner(usual | answers)


async def test_what_was_read_is_looked_at_three_times_and_applied_once() -> None:
    told: list[Progress] = []
    steps = runner()
    end = await run_bank_sync(SYNC, steps, told.append)
    assert end == BankSyncEnd("succeeded", 1)
    assert (steps.calls[0], steps.calls[-1]) == ("fetch_page", "apply")
    assert set(steps.calls[1:-1]) == LOOKS
    assert [one.pages for one in told] == [1]


async def test_many_pages_are_several_histories() -> None:
    """Nothing is looked at before the last page is there."""
    steps = runner(fetch_page=Progress(1, 1, 0, has_more=True))
    assert await run_bank_sync(SYNC, steps) is None
    assert steps.calls == ["fetch_page"] * PAGES_MAX


async def test_whatever_ends_it_closes_it() -> None:
    login = Refused("Log in.", code="login_required")
    steps = runner(fetch_page=login)
    end = await run_bank_sync(SYNC, steps)
    assert end is not None
    assert end.failure is not None
    assert end.failure.code == "login_required"
    assert steps.calls == ["fetch_page", "close"]


async def test_a_look_that_fails_lets_the_others_end_first() -> None:
    steps = runner(categorise=PerdureError("A defect.", code="internal_error"))
    end = await run_bank_sync(SYNC, steps)
    assert end is not None
    assert end.status == "failed"
    assert set(steps.calls[1:-1]) == LOOKS
    assert steps.calls[-1] == "close"
