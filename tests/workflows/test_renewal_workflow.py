"""A renewal's workflow on the real server: each way it can go."""

from dataclasses import replace

import pytest

from perdure.core.errors import (
    InsufficientFunds,
    OperationCancelled,
    PerdureError,
    ProviderDeclined,
    ProviderOutcomeUnknown,
    ProviderRateLimited,
    ProviderUnavailable,
)
from perdure.durable.scope import PARK, CancelCall
from perdure.notifications.contracts import DELIVER
from perdure.renewals.contracts import (
    CHECK_DOMAIN,
    CLOSE,
    HOLD_FEE,
    LET_STAND,
    READ_REPORT,
    RECORD,
    RENEW,
    RESOLVE_RENEWAL,
    UNDO_RENEWAL,
    Fee,
    RenewalResolution,
    Undone,
)

from .scripted_renewals import OFFER, REPORT, RenewalScenario

CANCELLED = OperationCancelled("Wrong domain.")
UNKNOWN = ProviderOutcomeUnknown("The answer was lost.")
AWAY = ProviderUnavailable("away")
GARBLED = replace(REPORT, price_minor=1)


async def test_each_step_is_an_activity_in_order_r1(renewals: RenewalScenario) -> None:
    end = await (await renewals.start()).result()
    assert (end.status, end.failure) == ("succeeded", None)
    assert renewals.world.calls == [CHECK_DOMAIN, HOLD_FEE, RENEW, RECORD, DELIVER]
    assert renewals.world.given[HOLD_FEE].fee == Fee(1499, "USD")
    assert renewals.world.given[RECORD].report == REPORT


async def test_a_premium_domain_is_refused_before_anything_is_held_r1(
    renewals: RenewalScenario,
) -> None:
    renewals.world.answers[CHECK_DOMAIN] = replace(OFFER, premium=True)
    end = await (await renewals.start()).result()
    assert end.failure is not None
    assert (end.status, end.failure.code) == ("failed", "premium_not_confirmed")
    assert renewals.world.calls == [CHECK_DOMAIN, CLOSE, DELIVER]


async def test_a_refused_hold_ends_the_renewal_before_it_is_made_r1(
    renewals: RenewalScenario,
) -> None:
    renewals.world.answers[HOLD_FEE] = InsufficientFunds("Not enough.")
    end = await (await renewals.start()).result()
    assert end.status == "failed"
    assert renewals.world.calls == [CHECK_DOMAIN, HOLD_FEE, CLOSE, DELIVER]


async def test_a_renewal_the_registry_declines_is_closed_without_being_undone_r1(
    renewals: RenewalScenario,
) -> None:
    renewals.world.answers[RENEW] = ProviderDeclined("No.", code="domain_locked")
    end = await (await renewals.start()).result()
    assert end.failure is not None
    assert end.failure.code == "domain_locked"
    assert renewals.world.calls == [CHECK_DOMAIN, HOLD_FEE, RENEW, CLOSE, DELIVER]


@pytest.mark.parametrize(("step", "code"), [(CHECK_DOMAIN, None), (RENEW, "registry_unavailable")])
@pytest.mark.parametrize("away", [AWAY, ProviderRateLimited("Slow down.", retry_after_s=0.01)])
async def test_a_registry_that_is_not_there_parks_the_renewal_until_it_is_resumed_r1(
    renewals: RenewalScenario, step: str, code: str | None, away: PerdureError
) -> None:
    back = renewals.world.answers[step]
    renewals.world.answers[step] = away
    handle = await renewals.start()
    await renewals.world.until_called(PARK)
    parked = renewals.world.given[PARK]
    assert (parked.code, parked.step) == (code or away.code, step)
    assert renewals.world.calls.count(step) == 5
    renewals.world.answers[step] = back
    await handle.signal("resume")
    assert (await handle.result()).status == "succeeded"
    assert renewals.world.calls.count(step) == 6
    assert CLOSE not in renewals.world.calls


async def test_a_parked_renewal_is_cancelled_and_what_is_held_released_r1(
    renewals: RenewalScenario,
) -> None:
    renewals.world.answers[RENEW] = AWAY
    handle = await renewals.start()
    await renewals.world.until_called(PARK)
    await handle.signal("cancel", CancelCall("ada", "Wrong domain."))
    end = await handle.result()
    assert end.status == "cancelled"
    assert renewals.world.calls[-3:] == [UNDO_RENEWAL, CLOSE, DELIVER]


async def test_tries_that_are_used_up_are_resolved_before_anything_is_decided_r1(
    renewals: RenewalScenario,
) -> None:
    renewals.world.answers[RENEW] = UNKNOWN
    renewals.world.answers[RESOLVE_RENEWAL] = [UNKNOWN, UNKNOWN, RenewalResolution(REPORT)]
    end = await (await renewals.start()).result()
    assert end.status == "succeeded"
    assert renewals.world.calls.count(RENEW) == 5
    assert renewals.world.calls.count(RESOLVE_RENEWAL) == 3
    assert PARK not in renewals.world.calls


async def test_a_refusal_found_out_late_closes_the_renewal_r1(renewals: RenewalScenario) -> None:
    renewals.world.answers[RENEW] = UNKNOWN
    renewals.world.answers[RESOLVE_RENEWAL] = ProviderDeclined("No.", code="domain_locked")
    end = await (await renewals.start()).result()
    assert end.status == "failed"
    assert UNDO_RENEWAL not in renewals.world.calls


async def test_a_cancel_between_renewal_and_record_is_undone_r1(renewals: RenewalScenario) -> None:
    renewals.world.answers[RECORD] = CANCELLED
    end = await (await renewals.start()).result()
    assert end.failure is not None
    assert (end.status, end.failure.message) == ("cancelled", "Wrong domain.")
    assert renewals.world.calls[-4:] == [RECORD, UNDO_RENEWAL, CLOSE, DELIVER]


async def test_a_renewal_that_stands_at_the_registry_succeeds_although_cancelled_r1(
    renewals: RenewalScenario,
) -> None:
    renewals.world.answers[RECORD] = CANCELLED
    renewals.world.answers[UNDO_RENEWAL] = Undone(REPORT, "It takes none back.")
    end = await (await renewals.start()).result()
    assert end.status == "succeeded"
    assert renewals.world.calls[-4:] == [RECORD, UNDO_RENEWAL, LET_STAND, DELIVER]
    assert renewals.world.given[LET_STAND].refusal == "It takes none back."
    assert CLOSE not in renewals.world.calls


@pytest.mark.parametrize(
    ("undone", "status", "end"),
    [
        (Undone(), "cancelled", CLOSE),
        (Undone(REPORT, "It takes none back."), "succeeded", LET_STAND),
    ],
)
async def test_what_a_lane_renewed_is_undone_though_this_run_did_not_come_to_it_r1(
    renewals: RenewalScenario, undone: Undone, status: str, end: str
) -> None:
    renewals.world.answers |= {CHECK_DOMAIN: [AWAY] * 5 + [OFFER], UNDO_RENEWAL: undone}
    handle = await renewals.start()
    await renewals.world.until_called(PARK)
    await handle.signal("cancel", CancelCall("ada", "Wrong domain."))
    assert (await handle.result()).status == status
    assert RENEW not in renewals.world.calls
    assert [call for call in renewals.world.calls if call != CHECK_DOMAIN][-3:-1] == [
        UNDO_RENEWAL,
        end,
    ]


async def test_another_refusal_to_undo_is_parked_until_it_is_resumed_r1(
    renewals: RenewalScenario,
) -> None:
    renewals.world.answers[RECORD] = CANCELLED
    renewals.world.answers[UNDO_RENEWAL] = [ProviderDeclined("No.", code="odd"), Undone()]
    handle = await renewals.start()
    await renewals.world.until_called(PARK)
    assert CLOSE not in renewals.world.calls
    await handle.signal("resume")
    assert (await handle.result()).status == "cancelled"
    assert renewals.world.calls.count(UNDO_RENEWAL) == 2


async def test_a_report_that_differs_is_read_again_r1(renewals: RenewalScenario) -> None:
    renewals.world.answers[RENEW] = GARBLED
    assert (await (await renewals.start()).result()).status == "succeeded"
    assert renewals.world.calls.count(READ_REPORT) == 1
    assert renewals.world.given[RECORD].report == REPORT


async def test_a_report_that_goes_on_differing_waits_for_a_person_r1(
    renewals: RenewalScenario,
) -> None:
    renewals.world.answers[RENEW] = GARBLED
    renewals.world.answers[READ_REPORT] = [GARBLED, REPORT]
    handle = await renewals.start()
    await renewals.world.until_called(PARK)
    assert renewals.world.given[PARK].code == "report_mismatch"
    await handle.signal("resume")
    assert (await handle.result()).status == "succeeded"
    assert renewals.world.given[RECORD].report == REPORT
