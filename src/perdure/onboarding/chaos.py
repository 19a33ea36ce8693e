"""Onboardings as chaos makes them: each of a customer of its own, who is looked at afterwards."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from perdure.chaos.books import OperationRow, read_listed
from perdure.chaos.check import outcomes, rejects, wrong_answers, wrong_end
from perdure.chaos.dice import Dice
from perdure.chaos.load import Load, Outcome, Part
from perdure.chaos.planned import FINISHED, Asked, Contact, Planned
from perdure.chaos.seen import Finding, Seen, Storm
from perdure.core.check_states import ENDED
from perdure.identity.contracts import CHECKS_MAX, IDENTITY
from perdure.onboarding.contracts import KIND
from perdure.storage.outages import wait_out

# What becomes of a name's check is in docs/simulators.md. Who waits for the verifier's people is
# left out: nobody decides there.
NAMES: Final = {
    "Lovelace": 40,
    "Reviewed": 6,
    "Resubmits": 6,
    "Silent": 4,
    "Declined": 6,
    "Refused": 4,
    "Expires": 2,
    "Breaks": 2,
    "Elsewhere": 2,
}
PARK: Final = frozenset({"Elsewhere"})
"""The names whose checks are answered as somebody else's."""
NEVER_SUCCEED: Final = PARK | {"Declined", "Refused", "Expires", "Breaks"}

_CURRENCIES: Final = {"USD": 3, "EUR USD": 1}
_LINKS_BANK: Final = 0.5
_FOLLOWED_UP: Final = "customer_follow_up"


def _ask(dice: Dice) -> Asked:
    name, contact = dice.weighted(NAMES), dice.contact()
    customer = Contact(contact.email or f"person+{dice.key}@example.com", contact.phone)
    return Asked(
        amount_minor=0,
        method=name,
        body={
            "customer_id": dice.customer_id,
            "full_name": f"Ada {name}",
            "email": customer.email,
            "phone": customer.phone,
            "birth_date": "1990-12-10",
            "country": "FR",
            "currencies": dice.weighted(_CURRENCIES).split(),
            "link_bank": dice.happens(_LINKS_BANK),
            "metadata": {"chaos_key": dice.key},
        },
        customer=customer,
        never_succeeds=name in NEVER_SUCCEED,
        parks=name in PARK,
        is_refundable=False,
    )


def _body(planned: Planned, _: Storm) -> dict[str, Any]:
    return dict(planned.asked.body)


@dataclass(frozen=True, slots=True)
class Onboarded:
    """An onboarding, and what there is of its customer.

    Args:
        opened: The currencies of all the customer's accounts.
        standing: Of those that are not closed.
        profile: How the customer's profile stands; None: there is none.
        is_claimed: It is what makes the customer one.
        messages: Audience, recipient and state of each.
        checks: How each of its checks stands, by the verifier's own books.
    """

    operation: OperationRow
    opened: Sequence[str]
    standing: Sequence[str]
    profile: str | None
    is_claimed: bool
    messages: Sequence[Sequence[str]]
    checks: Sequence[str]


async def look(part: Part, told: Mapping[str, int]) -> Outcome:
    """Return what became of a round's onboardings.

    Raises:
        ProviderUnavailable: The database, or the verifier, stayed away.
    """
    checks: defaultdict[str, list[str]] = defaultdict(list)
    for check in await read_listed(part.machine, IDENTITY, "/v1/checks"):
        checks[check["reference"]].append(check["status"])
    pool, customer_id = part.platform.pool, part.storm.plan.customer_id
    left = []
    for row in await wait_out(partial(pool.fetch, _LEFT, customer_id)):
        found = dict(row)
        operation_id, key, status, code = (
            found.pop(name) for name in ("id", "key", "status", "code")
        )
        operation = OperationRow(operation_id, key, status, code, 0, {})
        references = [operation.id, *(f"{operation.id}-{n}" for n in range(2, CHECKS_MAX + 1))]
        of_it = [status for one in references for status in checks[one]]
        left.append(Onboarded(operation, **found, checks=of_it))
    counts = outcomes([one.operation for one in left])
    return Outcome(
        len({one.operation.key for one in left}),
        Counter({f"{KIND} {ended}": count for ended, count in counts.items()}),
        findings(part.planned, part.storm, left, told),
    )


def findings(
    planned: Sequence[Planned], storm: Storm, left: Sequence[Onboarded], told: Mapping[str, int]
) -> list[Finding]:
    """Return everything that is not as it must be, once a round is over.

    Args:
        told: How many messages each recipient got.
    """
    by_key: defaultdict[str, list[Onboarded]] = defaultdict(list)
    for one in left:
        by_key[one.operation.key].append(one)
    found, seed = [], storm.plan.seed
    for each in planned:
        stored, seen = by_key.pop(each.key, []), storm.seen.get(each.key, Seen())
        wrong = list(wrong_answers(each, seen, [one.operation for one in stored]))
        for one in stored:
            wrong += wrong_end(each, seen, one.operation)
            wrong += _wrong_customer(each, one)
            wrong += _wrong_messages(each, one, told)
        about = stored[0].operation.id if stored else None
        found += [Finding(name, seed, each.key, about, detail) for name, detail in wrong]
    found += [
        Finding("not_asked_for", seed, key, stored[0].operation.id, "nobody asked for it")
        for key, stored in by_key.items()
    ]
    return found


Wrong = Iterator[tuple[str, str]]
"""Names and details of findings."""


def _wrong_customer(planned: Planned, left: Onboarded) -> Wrong:
    """Find a customer who is one, and should not be, or the other way round."""
    status = left.operation.status
    if status not in FINISHED:
        return
    asked = sorted(planned.asked.body["currencies"])
    due = asked if status == "succeeded" else []
    if left.standing != due or left.opened not in (asked, due):
        yield "accounts_differ", f"{status}: opened {left.opened}, standing {left.standing}"
    if (left.profile == "active") != (status == "succeeded"):
        yield "profile_differs", f"{status}, and the profile is {left.profile}"
    if left.is_claimed != (status == "succeeded"):
        yield "claim_differs", f"{status}, and the customer is {left.is_claimed and 'claimed'}"
    if pending := [check for check in left.checks if check not in ENDED]:
        yield "left_open", f"{status}, with checks that are open: {pending}"
    if status == "succeeded" and left.checks[-1:] != ["approved"]:
        yield "provider_differs", f"succeeded, with checks that are {left.checks}"


def _wrong_messages(planned: Planned, left: Onboarded, told: Mapping[str, int]) -> Wrong:
    """Find somebody who was not told what they are to be, or twice."""
    status, contact = left.operation.status, planned.asked.customer
    if status not in FINISHED:
        return
    for recipient in filter(None, (contact.email, contact.phone)):
        owed = [(audience, state) for audience, to, state in left.messages if to == recipient]
        sent = sum(state == "sent" for _, state in owed)
        if told.get(recipient, 0) != sent:
            got = told.get(recipient, 0)
            yield "message_doubled" if got > sent else "message_missing", f"{recipient}: {owed}"
        due = {"customer", _FOLLOWED_UP} if status == "succeeded" else {"customer"}
        if recipient == contact.phone:
            due -= {_FOLLOWED_UP}
        # What the verifier wanted to see is an audience of its own each time.
        ends = Counter(audience for audience, _ in owed if not audience.startswith(_WANTED))
        if ends != Counter(due):
            yield "message_missing" if due - ends.keys() else "message_unasked", f"{dict(ends)}"
        state = "rejected" if rejects(recipient) else "sent"
        if any(found != state for _, found in owed):
            yield "message_state", f"to {recipient}: {owed}, each should be {state}"


_WANTED: Final = "customer_identity_"

_LEFT: Final = f"""
SELECT o.id, coalesce(o.metadata->>'chaos_key', '') AS key, o.status, o.failure->>'code' AS code,
       ARRAY(SELECT a.currency FROM ledger_accounts a WHERE a.customer_id = o.customer_id
             ORDER BY 1) AS opened,
       ARRAY(SELECT a.currency FROM ledger_accounts a WHERE a.customer_id = o.customer_id
             AND a.status <> 'closed' ORDER BY 1) AS standing,
       (SELECT p.status FROM profiles p WHERE p.customer_id = o.customer_id) AS profile,
       EXISTS (SELECT FROM onboardings b WHERE b.operation_id = o.id AND b.released_at IS NULL)
           AS is_claimed,
       (SELECT coalesce(jsonb_agg(jsonb_build_array(n.audience, n.recipient, n.state)), '[]')
        FROM notifications n WHERE n.operation_id = o.id) AS messages
FROM operations o WHERE o.kind = '{KIND}' AND split_part(o.customer_id, '-', 1) = $1 ORDER BY o.id
"""

_UNSETTLED: Final = f"""
EXISTS (SELECT FROM operations o WHERE o.kind = '{KIND}'
        AND split_part(o.customer_id, '-', 1) = ANY($1)
        AND (o.finished_at IS NULL
             OR EXISTS (SELECT FROM notifications n
                        WHERE n.operation_id = o.id AND n.state = 'pending')
             OR o.status = 'succeeded' AND NOT EXISTS (SELECT FROM operation_trail t
                        WHERE t.operation_id = o.id AND t.action = 'followed_up')))
"""

LOAD: Final = Load(
    usual=15,
    by="onboardings",
    ask=_ask,
    body=_body,
    settings={
        "PERDURE_IDENTITY_TIMEOUT_S": "1",
        "PERDURE_ONBOARDING_INQUIRY_S": "2",
        "PERDURE_ONBOARDING_FOLLOW_UP_S": "5",
    },
    unsettled=_UNSETTLED,
    look=look,
)
