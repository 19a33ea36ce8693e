"""What accounts, transfers and currencies of ours are called at TigerBeetle.

An id there is 128 bits: the millisecond that ours was given in, which for what an operation writes
is when the operation was accepted, and 80 bits of a digest. So ids rise with time, as TigerBeetle
likes them, and come out the same on every try. `fingerprint` goes along in `user_data_128`: two
ids of ours that met in one of theirs would be told apart by it, and never be taken for each other.
"""

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from perdure.core.ids import time_ms_of

_DIGEST_BITS: Final = 80


class Purpose(StrEnum):
    """What a transfer there does for one of ours; each has ids of its own."""

    RESERVE = "reserve"
    """Sets the money aside before our commit; with the number of the attempt."""
    CARRY_OUT = "carry_out"
    """Does after our commit what was committed."""
    GIVE_BACK = "give_back"
    """Voids a reservation that no commit of ours came of."""
    EXPORT = "export"
    """Brings over what PostgreSQL's ledger has; with what it was brought from and to."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """Gives what one database has at TigerBeetle its ids there.

    Args:
        namespace: In `user_data_64` of all of it, and in each digest: another database on the same
            cluster, such as one that was made anew, has other accounts, whatever they are called.
    """

    namespace: int

    def account(self, account_id: str) -> int:
        """Return an account's id there."""
        return self._number(account_id, account_id)

    def transfer(self, transfer_id: str, purpose: Purpose, attempt: int | str = 0) -> int:
        """Return a transfer's id there."""
        return self._number(transfer_id, f"{transfer_id}:{purpose}:{attempt}")

    def give_back(self, reservation: int) -> int:
        """Return the id of what voids a reservation that was given up."""
        digest = _digest(f"{reservation:x}:{Purpose.GIVE_BACK}", _DIGEST_BITS)
        return reservation >> _DIGEST_BITS << _DIGEST_BITS | digest

    def _number(self, own_id: str, digested: str) -> int:
        digest = _digest(f"{self.namespace:x}:{digested}", _DIGEST_BITS)
        return time_ms_of(own_id) << _DIGEST_BITS | digest


def fingerprint(own_id: str) -> int:
    """Return what says which of our accounts or transfers it is, whatever its id there."""
    return _digest(own_id, 128)


def _digest(text: str, bits: int) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[: bits // 8], "big")


def ledger_number(currency: str) -> int:
    """Return the number of a currency's ledger: the letters of its code."""
    return int.from_bytes(currency.encode("ascii"), "big")
