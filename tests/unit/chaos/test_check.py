"""Whatever is wrong in a round is found: each test breaks a world in which all is well."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from perdure.chaos.books import OperationRow, OutsideBooks, OwnBooks, RefundRow, Wallet
from perdure.chaos.check import books_differ, findings, outcomes
from perdure.chaos.load import Entry
from perdure.chaos.planned import POOR_WALLET, Asked, Contact, Plan, Planned, Sending
from perdure.chaos.seen import Seen

PAID, UNDONE, POOR, SENT, RECALLED = "paid", "undone", "poor", "sent", "recalled"
RENEWED, GIVEN_BACK, KEPT = "renewed", "given-back", "kept"
DEPOSIT = 10_000


NOBODY = Contact(None, None)


def planned(key: str, asked: Asked, **more: Any) -> Planned:
    return Planned(
        **{
            "kind": "payments",
            "key": key,
            "asked": asked,
            "wallet": 0,
            "sending": Sending.ONCE,
            "cancel_after_s": None,
            "bulk": False,
            "refunded": False,
            **more,
        }
    )


def asked(amount_minor: int, customer: Contact, *others: Contact, **more: Any) -> Asked:
    return Asked(
        amount_minor=amount_minor, method="any", body={}, customer=customer, others=others, **more
    )


def payment(key: str, **more: Any) -> Asked:
    payer, payee = Contact(f"person+{key}@x", "+15550001"), Contact(f"reject+{key}@x", None)
    return asked(100, payer, payee, **more)


def transfer(key: str, **more: Any) -> Asked:
    return asked(300, Contact(f"person+{key}@x", None), **more)


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


def charge(status: str, kept_minor: int = 0) -> Entry:
    return Entry("", status, kept_minor, is_open=status == "pending")


def outside_books() -> OutsideBooks:
    return OutsideBooks(
        {
            "payments": {
                "charges": {
                    "pay_1": [charge("succeeded", 100)],
                    "pay_2": [charge("succeeded")],
                    "pay_4": [charge("succeeded")],
                },
                "refunds": {"pay_2": [charge("refunded")], "pay_4": [charge("refunded")]},
            },
            "transfers": {"payouts": {"trf_1": [charge("paid", 300)], "trf_2": [charge("back")]}},
            "renewals": {"renewals": {"rnw_1": [charge("done", 500)], "rnw_2": [charge("", 500)]}},
        },
        Counter(
            {
                "person+paid@x": 1,
                "+15559999": 1,
                "person+sent@x": 1,
                "person+recalled@x": 1,
                f"person+{GIVEN_BACK}@x": 2,
            }
        ),
    )


@pytest.fixture
def world() -> World:
    operations = (
        planned(PAID, payment(PAID), sending=Sending.AGAIN),
        planned(UNDONE, asked(100, Contact(None, "+15559999"), Contact(f"p+{UNDONE}@x", None))),
        planned(POOR, payment(POOR), wallet=POOR_WALLET),
        planned(SENT, transfer(SENT)),
        planned(RECALLED, transfer(RECALLED)),
        planned(RENEWED, asked(500, NOBODY)),
        planned(KEPT, asked(500, NOBODY, may_stand=True)),
        planned(
            GIVEN_BACK, asked(100, Contact(f"person+{GIVEN_BACK}@x", None), NOBODY), refunded=True
        ),
    )
    return World(
        Plan(7, "cus_7", (DEPOSIT, 1), operations, (), 0.1),
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
    assert books_differ({"payments": 100, "renewals": 1000}, world.outside) == []
    assert outcomes(world.own.operations) == {"succeeded": 5, "cancelled": 2}


def test_what_left_the_wallets_by_agreement_came_to_somebody_else(world: World) -> None:
    first, *others = world.own.wallets
    left = replace(first, posted_minor=first.posted_minor - 7)
    world.own = replace(world.own, wallets=[left, *others], agreed_minor=7)
    assert world.found() == set()


def effects(world: World, of: str, *rows: Entry) -> None:
    """Have its provider say this of an operation, and no more."""
    kind, what = {
        "pay": ("payments", "charges"),
        "trf": ("transfers", "payouts"),
        "rnw": ("renewals", "renewals"),
    }[of[:3]]
    found: Any = world.outside.effects[kind][what]
    found[of] = list(rows)


def refund_twice(world: World) -> None:
    found: Any = world.outside.effects["payments"]["refunds"]
    found["pay_2"] *= 2


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
    "done_twice": lambda world: effects(world, "pay_1", charge("succeeded", 100), charge("failed")),
    "left_open": lambda world: effects(world, "pay_2", charge("pending")),
    "provider_differs": lambda world: effects(world, "pay_2", charge("succeeded", 100)),
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


def test_what_is_done_twice_is_found_whatever_it_is_and_whoever_did_it(world: World) -> None:
    refund_twice(world)
    assert world.found() == {"done_twice"}
    world.outside = outside_books()
    payouts: Any = world.outside.effects["transfers"]["payouts"]
    payouts["pay_1"] = [charge("paid", 100)]  # by a provider that a payment has nothing to do with
    assert {"provider_differs", "totals_differ"} <= world.found()


def test_what_must_not_succeed_is_found_when_it_does(world: World) -> None:
    first, *others = world.plan.operations
    fraud = replace(first, asked=replace(first.asked, never_succeeds=True))
    world.plan = replace(world.plan, operations=(fraud, *others))
    assert world.found() == {"succeeded_by_mistake"}


def test_a_charge_that_is_missing_is_found(world: World) -> None:
    effects(world, "pay_1")
    assert {"provider_differs", "totals_differ"} <= world.found()
    found = books_differ({"payments": 100}, world.outside)
    assert [(finding.name, finding.subject) for finding in found] == [
        ("clearing_differs", "payments")
    ]


@pytest.mark.parametrize(
    ("operation", "effect"),
    [
        ("trf_1", charge("recalled")),
        ("trf_2", charge("paid", 300)),
        ("rnw_1", charge("undone")),
    ],
)
def test_what_is_missing_or_was_not_taken_back_is_found(
    world: World, operation: str, effect: Entry
) -> None:
    effects(world, operation, effect)
    assert world.found() == {"provider_differs", "totals_differ"}


def test_a_finding_names_the_round_the_payment_and_the_operation(world: World) -> None:
    world.change(0, status="waiting")
    found = findings(world.plan, world.seen, world.own, world.outside)
    finding = next(finding for finding in found if finding.name == "not_ended")
    assert (finding.seed, finding.subject, finding.operation_id) == (7, PAID, "pay_1")
