"""Whatever is wrong in a round is found: each test breaks a world in which all is well."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from perdure.chaos.books import (
    ChargeRow,
    OperationRow,
    OutsideBooks,
    OwnBooks,
    PayoutRow,
    RefundRow,
    RenewalRow,
    Wallet,
)
from perdure.chaos.check import books_differ, findings, outcomes
from perdure.chaos.client import Seen
from perdure.chaos.plan import POOR_WALLET, Plan
from perdure.chaos.planned import (
    Contact,
    PlannedPayment,
    PlannedRenewal,
    PlannedTransfer,
    Sending,
)

PAID, UNDONE, POOR, SENT, RECALLED = "paid", "undone", "poor", "sent", "recalled"
RENEWED, GIVEN_BACK, KEPT = "renewed", "given-back", "kept"
DEPOSIT = 10_000


COMMON: dict[str, Any] = {
    "wallet": 0,
    "sending": Sending.ONCE,
    "cancel_after_s": None,
    "bulk": False,
    "refunded": False,
}


def planned(key: str, **more: Any) -> PlannedPayment:
    payer, payee = Contact(f"person+{key}@x", "+15550001"), Contact(f"reject+{key}@x", None)
    given = {"amount_minor": 100, "payment_method": "tok_ok", "payer": payer, "payee": payee}
    return PlannedPayment(**{"key": key, **COMMON, **given, **more})


def planned_transfer(key: str, **more: Any) -> PlannedTransfer:
    customer = Contact(f"person+{key}@x", None)
    given = {"amount_minor": 300, "destination": "dest_ok", "owner": customer}
    return PlannedTransfer(**{"key": key, **COMMON, **given, **more})


def planned_renewal(key: str, **more: Any) -> PlannedRenewal:
    given = {"amount_minor": 500, "domain": f"shop-{key}.info", "owner": Contact(None, None)}
    return PlannedRenewal(**{"key": key, **COMMON, **given, **more})


@dataclass
class World:
    """Four payments, two transfers and two renewals.

    A payment that succeeded, one that was cancelled and undone, one that was refused, one that was
    refunded; a transfer that succeeded, and one that was cancelled and recalled; a renewal, and one
    that was cancelled when its registry would not take it back.
    """

    plan: Plan
    seen: dict[str, Seen]
    own: OwnBooks
    outside: OutsideBooks

    def found(self) -> set[str]:
        return {finding.name for finding in findings(self.plan, self.seen, self.own, self.outside)}

    def change(self, number: int, **changes: Any) -> None:
        self.own.operations[number] = replace(self.own.operations[number], **changes)


def own_books() -> OwnBooks:
    paid_messages = {"person+paid@x": "sent", "+15550001": "rejected", "reject+paid@x": "rejected"}
    given_back = {f"person+{GIVEN_BACK}@x": "sent"}
    return OwnBooks(
        [
            OperationRow("pay_1", PAID, "succeeded", None, 100, paid_messages),
            OperationRow("pay_2", UNDONE, "cancelled", "cancelled", 0, {"+15559999": "sent"}),
            OperationRow("trf_1", SENT, "succeeded", None, 300, {"person+sent@x": "sent"}),
            OperationRow(
                "trf_2", RECALLED, "cancelled", "cancelled", 0, {"person+recalled@x": "sent"}
            ),
            OperationRow("rnw_1", RENEWED, "succeeded", None, 500, {}),
            OperationRow("rnw_2", KEPT, "succeeded", None, 500, {}),
            OperationRow(
                "pay_4",
                GIVEN_BACK,
                "succeeded",
                None,
                100,
                given_back,
                (RefundRow("rfd_1", "succeeded", None, 100, given_back),),
            ),
        ],
        [Wallet(DEPOSIT - 1400, 0), Wallet(1, 0)],
    )


def outside_books() -> OutsideBooks:
    return OutsideBooks(
        {
            "pay_1": [ChargeRow("succeeded", 100, 0)],
            "pay_2": [ChargeRow("succeeded", 100, 100)],
            "pay_4": [ChargeRow("succeeded", 100, 100)],
        },
        Counter({"pay_2": 1, "pay_4": 1}),
        {"trf_1": [PayoutRow("paid", 300)], "trf_2": [PayoutRow("recalled", 300)]},
        Counter(
            {
                "person+paid@x": 1,
                "+15559999": 1,
                "person+sent@x": 1,
                "person+recalled@x": 1,
                f"person+{GIVEN_BACK}@x": 2,
            }
        ),
        {"rnw_1": [RenewalRow("renewed", 500)], "rnw_2": [RenewalRow("renewed", 500)]},
    )


@pytest.fixture
def world() -> World:
    payments = (
        planned(PAID, sending=Sending.AGAIN),
        planned(UNDONE, payer=Contact(None, "+15559999"), payee=Contact(f"p+{UNDONE}@x", None)),
        planned(POOR, wallet=POOR_WALLET),
        planned_transfer(SENT),
        planned_transfer(RECALLED),
        planned_renewal(RENEWED),
        planned_renewal(KEPT, domain="shop-kept.fr"),
        planned(
            GIVEN_BACK,
            refunded=True,
            payer=Contact(f"person+{GIVEN_BACK}@x", None),
            payee=Contact(None, None),
        ),
    )
    return World(
        Plan(7, "cus_7", (DEPOSIT, 1), payments, (), 0.1),
        {
            PAID: Seen(["pay_1", "pay_1"]),
            UNDONE: Seen(["pay_2"], cancellation="accepted"),
            POOR: Seen(refusals=["insufficient_funds"]),
            SENT: Seen(["trf_1"]),
            RECALLED: Seen(["trf_2"], cancellation="accepted"),
            RENEWED: Seen(["rnw_1"]),
            KEPT: Seen(["rnw_2"], cancellation="accepted"),
            GIVEN_BACK: Seen(["pay_4"], refund="accepted"),
        },
        own_books(),
        outside_books(),
    )


def test_nothing_is_found_where_all_is_well(world: World) -> None:
    assert world.found() == set()
    assert books_differ(100, world.outside) == []
    assert outcomes(world.own.operations) == {"succeeded": 5, "cancelled": 2}


def charges(world: World, of: str, *rows: ChargeRow) -> None:
    world.outside.charges[of] = list(rows)


def refunds(world: World, *rows: RefundRow) -> None:
    world.change(-1, refunds=rows)


BREAK: dict[str, Callable[[World], object]] = {
    "not_answered": lambda world: world.seen.pop(PAID),
    "lost": lambda world: world.own.operations.pop(0),
    "doubled": lambda world: world.own.operations.append(
        replace(world.own.operations[0], id="pay_3")
    ),
    "answers_differ": lambda world: world.seen[PAID].operation_ids.append("pay_3"),
    "refused_yet_made": lambda world: world.own.operations.append(
        replace(world.own.operations[1], key=POOR)
    ),
    "refused": lambda world: world.seen[POOR].refusals.append("internal_error"),
    "not_asked_for": lambda world: world.own.operations.append(
        replace(world.own.operations[1], key="strange")
    ),
    "not_ended": lambda world: world.change(0, status="waiting"),
    "cancelled_by_nobody": lambda world: world.seen.update({UNDONE: Seen(["pay_2"])}),
    "cancellation_lost": lambda world: world.change(1, status="succeeded"),
    "cancellation_denied": lambda world: setattr(world.seen[UNDONE], "cancellation", "refused"),
    "cancellation_failed": lambda world: setattr(world.seen[UNDONE], "cancellation", "http_418"),
    "ledger_differs": lambda world: world.change(0, posted_minor=0),
    "charged_twice": lambda world: world.outside.charges["pay_1"].append(
        ChargeRow("failed", 100, 0)
    ),
    "refunded_twice": lambda world: world.outside.refunds.update(["pay_2"]),
    "charge_left_open": lambda world: charges(world, "pay_2", ChargeRow("pending", 100, 0)),
    "provider_differs": lambda world: charges(world, "pay_2", ChargeRow("succeeded", 100, 0)),
    "paid_out_twice": lambda world: world.outside.payouts["trf_1"].append(PayoutRow("paid", 300)),
    "renewed_twice": lambda world: world.outside.renewals["rnw_1"].append(
        RenewalRow("undone", 500)
    ),
    "refund_failed": lambda world: setattr(world.seen[GIVEN_BACK], "refund", "http_418"),
    "refund_lost": refunds,
    "refunded_by_nobody": lambda world: setattr(world.seen[GIVEN_BACK], "refund", None),
    "refunds_doubled": lambda world: refunds(world, *world.own.operations[-1].refunds * 2),
    "not_refunded": lambda world: refunds(
        world, RefundRow("rfd_1", "failed", "payout_not_recallable", 0, {})
    ),
    "message_doubled": lambda world: world.outside.messages.update(["+15559999"]),
    "message_missing": lambda world: world.outside.messages.subtract(["+15559999"]),
    "message_unasked": lambda world: world.outside.messages.update([f"p+{UNDONE}@x"]),
    "message_state": lambda world: world.own.operations[0].messages.update({"+15550001": "sent"}),
    "totals_differ": lambda world: world.own.wallets.append(Wallet(1, 0)),
    "still_held": lambda world: world.own.wallets.append(Wallet(0, 5)),
}


@pytest.mark.parametrize("name", BREAK)
def test_what_is_broken_is_found_by_its_name(world: World, name: str) -> None:
    BREAK[name](world)
    assert name in world.found()


def test_a_refund_that_the_ledger_does_not_know_is_found(world: World) -> None:
    refunds(world, replace(world.own.operations[-1].refunds[0], posted_minor=0))
    assert {"ledger_differs", "provider_differs", "totals_differ"} <= world.found()


def test_a_message_about_a_refund_that_is_missing_is_found(world: World) -> None:
    world.outside.messages[f"person+{GIVEN_BACK}@x"] = 1
    assert world.found() == {"message_missing"}


def test_a_renewal_that_is_not_billed_is_found(world: World) -> None:
    world.outside.renewals["rnw_1"] = [RenewalRow("undone", 500)]
    assert world.found() == {"provider_differs", "totals_differ"}


def test_a_payment_that_must_not_succeed_is_found_when_it_does(world: World) -> None:
    fraud = planned(PAID, payment_method="tok_fraud")
    world.plan = replace(world.plan, operations=(fraud, *world.plan.operations[1:]))
    assert world.found() == {"succeeded_by_mistake"}


def test_a_charge_that_is_missing_is_found(world: World) -> None:
    charges(world, "pay_1")
    assert {"provider_differs", "totals_differ"} <= world.found()
    assert [finding.name for finding in books_differ(100, world.outside)] == ["clearing_differs"]


@pytest.mark.parametrize(
    ("transfer", "payout"),
    [("trf_1", PayoutRow("recalled", 300)), ("trf_2", PayoutRow("paid", 300))],
)
def test_a_payout_that_is_missing_or_was_not_taken_back_is_found(
    world: World, transfer: str, payout: PayoutRow
) -> None:
    world.outside.payouts[transfer] = [payout]
    assert world.found() == {"provider_differs", "totals_differ"}


def test_a_transfer_that_must_not_succeed_is_found_when_it_does(world: World) -> None:
    declined = planned_transfer(SENT, destination="dest_declined")
    operations = [declined if each.key == SENT else each for each in world.plan.operations]
    world.plan = replace(world.plan, operations=tuple(operations))
    assert world.found() == {"succeeded_by_mistake"}


def test_a_finding_names_the_round_the_payment_and_the_operation(world: World) -> None:
    world.change(0, status="waiting")
    found = findings(world.plan, world.seen, world.own, world.outside)
    finding = next(finding for finding in found if finding.name == "not_ended")
    assert (finding.seed, finding.subject, finding.operation_id) == (7, PAID, "pay_1")
