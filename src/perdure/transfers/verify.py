"""Checks that each transfer moved what its outcome says: in the ledger, and at the bank."""

from typing import Final

from perdure.capability.effect_books import effect_books
from perdure.capability.invariants import effect_invariants, funded_invariants
from perdure.ledger.verify import Violation
from perdure.operations.verify import check
from perdure.providers.bank import BANK_ROLE, PAYOUT_STATUSES
from perdure.storage.pool import Connection, Pool
from perdure.transfers.capability import TRANSFERS
from perdure.transfers.funding import FUNDED
from perdure.transfers.process import PAY_OUT, RECALL_PAYOUT


async def violations(connection: Connection | Pool, *, limit: int = 100) -> list[Violation]:
    """Return transfers whose traces are not those of their outcome; at most `limit` of each."""
    return await check(connection, INVARIANTS, limit=limit)


INVARIANTS: Final = {
    **funded_invariants(TRANSFERS, FUNDED.taken_by),
    **effect_invariants(
        TRANSFERS,
        PAY_OUT,
        RECALL_PAYOUT,
        PAYOUT_STATUSES,
        result="payout",
        answer_id="payout_id",
    ),
}
"""Each invariant's name and the query that finds what breaks it."""

BANK_BOOKS: Final = effect_books(
    TRANSFERS,
    role=BANK_ROLE,
    entries="payouts",
    done="paid_out",
    undone="unpaid",
    statuses=PAYOUT_STATUSES,
    taken_by=FUNDED.taken_by,
)
