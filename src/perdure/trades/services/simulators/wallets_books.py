"""The simulated wallet service's own books: wallets and transfers."""

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from google.protobuf.json_format import MessageToDict, ParseDict

from perdure.core.ids import new_id
from perdure.simulators.journal import Journal, Record
from perdure.trades.services.proto import wallets_pb2 as pb
from perdure.trades.services.simulators.books import Books, Exists, No, Shelf

HOUSE: Final = "house"
"""Whose wallet the fees go to."""

Place = tuple[str, str]
"""An account and a currency."""


class WalletBooks(Books):
    """Whose money is where.

    Args:
        opening_minor: What every account has in every currency, when first looked at; the house has
            nothing.
        idempotent: A reference that was used is refused with ALREADY_EXISTS. Off, a repeat is
            done again.
    """

    def __init__(self, journal: Journal, *, opening_minor: int, idempotent: bool) -> None:
        super().__init__(journal)
        self._opening_minor = opening_minor
        self._idempotent = idempotent
        self._balances: dict[Place, int] = {}
        self._issued: Counter[str] = Counter()
        self._moved: Counter[str] = Counter()
        self.transfers: Shelf[pb.WalletTransfer] = Shelf()
        self.read()

    def wallets(self) -> Iterator[pb.Wallet]:
        """Yield what is in each wallet."""
        for (account, currency), balance in list(self._balances.items()):
            yield pb.Wallet(account=account, currency=currency, balance_minor=balance)

    def give(self, account: str, currency: str, balance_minor: int) -> None:
        """Have so much in a wallet."""
        self.record("wallet", account=account, currency=currency, balance_minor=balance_minor)

    def transfer(self, asked: pb.TransferRequest, *, fails: bool) -> pb.WalletTransfer:
        """Move money, or take it on and have it fail."""
        if earlier := self.transfers.first(asked.reference):
            if earlier.status == pb.TRANSFER_STATUS_REVERSED:
                raise No("TRANSFER_REVERSED")
            if self._idempotent:
                raise Exists
        for account in (asked.payer, asked.payee, HOUSE):
            self._open(account, asked.currency)
        if self._balances[asked.payer, asked.currency] < asked.amount_minor:
            raise No("INSUFFICIENT_FUNDS")
        transfer = pb.WalletTransfer(
            id=new_id("wtr"),
            reference=asked.reference,
            payer=asked.payer,
            payee=asked.payee,
            amount_minor=asked.amount_minor,
            fee_minor=asked.fee_minor,
            currency=asked.currency,
            status=pb.TRANSFER_STATUS_FAILED if fails else pb.TRANSFER_STATUS_DONE,
        )
        self.record("transfer", **_content(transfer))
        return self.transfers.of(asked.reference)[-1]

    def reverse(self, asked: pb.ReverseRequest) -> pb.WalletTransfer:
        """Give all of a transfer back."""
        found = self.transfers.first(asked.reference)
        if found is None:
            nothing = pb.WalletTransfer(
                id=new_id("wtr"), reference=asked.reference, status=pb.TRANSFER_STATUS_REVERSED
            )
            self.record("transfer", **_content(nothing))
            return self.transfers.of(asked.reference)[0]
        if found.status == pb.TRANSFER_STATUS_DONE:
            earned = found.amount_minor - found.fee_minor
            if self._balances[found.payee, found.currency] < earned:
                raise No("TRANSFER_NOT_REVERSIBLE")
            self.record("reversal", reference=asked.reference)
        return found

    def totals(self) -> dict[str, Any]:
        """Return counts and sums; what was issued of a currency is what is in all wallets."""
        return {
            "issued_minor": dict(self._issued),
            "transfers": self.counts["transfer"],
            "reversed": self.counts["reversal"],
            "moved_minor": dict(self._moved),
            "refusals": self.counts["refusal"],
            "duplicates": {"transfers": self.transfers.duplicates()},
        }

    def _open(self, account: str, currency: str) -> None:
        if (account, currency) not in self._balances:
            self.give(account, currency, 0 if account == HOUSE else self._opening_minor)

    def _apply(self, kind: str, record: Record) -> None:
        match kind:
            case "wallet":
                place = record["account"], record["currency"]
                self._issued[place[1]] += record["balance_minor"] - self._balances.get(place, 0)
                self._balances[place] = record["balance_minor"]
            case "transfer":
                transfer = ParseDict(record, pb.WalletTransfer())
                self.transfers.keep(transfer)
                if transfer.status == pb.TRANSFER_STATUS_DONE:
                    self._move(transfer, 1)
            case "reversal":
                transfer = self.transfers.of(record["reference"])[0]
                transfer.status = pb.TRANSFER_STATUS_REVERSED
                self._move(transfer, -1)

    def _move(self, transfer: pb.WalletTransfer, direction: int) -> None:
        amount, fee = direction * transfer.amount_minor, direction * transfer.fee_minor
        self._balances[transfer.payer, transfer.currency] -= amount
        self._balances[transfer.payee, transfer.currency] += amount - fee
        self._balances[HOUSE, transfer.currency] += fee
        self._moved[transfer.currency] += amount


def _content(transfer: pb.WalletTransfer) -> dict[str, Any]:
    return MessageToDict(transfer, preserving_proto_field_name=True)
