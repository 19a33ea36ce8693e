"""The simulated asset service's own books: holdings, reservations, blocks."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from google.protobuf.json_format import MessageToDict, ParseDict
from grpc import StatusCode

from perdure.core.ids import new_id
from perdure.simulators.journal import Journal, Record
from perdure.trades.services.proto import assets_pb2 as pb
from perdure.trades.services.simulators.books import Books, Exists, No, Shelf

Place = tuple[str, str]
"""An owner and an asset."""

NOTHING = "nothing"


class AssetBooks(Books):
    """Who has what, and what of it is set aside.

    Args:
        opening_lots: What every owner has of every asset, when first looked at.
        idempotent: A reference that was used is refused with ALREADY_EXISTS. Off, a repeat is
            done again.
    """

    def __init__(self, journal: Journal, *, opening_lots: int, idempotent: bool) -> None:
        super().__init__(journal)
        self._opening_lots = opening_lots
        self._idempotent = idempotent
        self._holdings: dict[Place, int] = {}
        self._reserved: Counter[Place] = Counter()
        self._blocked: Counter[Place] = Counter()
        self._issued: Counter[str] = Counter()
        self.reservations: Shelf[pb.Reservation] = Shelf()
        self.blocks: Shelf[pb.BlockedAsset] = Shelf()
        self.read()

    def holdings(self, asset: str) -> Iterator[pb.Holding]:
        """Yield who has what."""
        for (owner, of), quantity in list(self._holdings.items()):
            if asset in ("", of):
                yield pb.Holding(
                    owner=owner,
                    asset=of,
                    quantity_lots=quantity,
                    reserved_lots=self._reserved[owner, of],
                    blocked_lots=self._blocked[owner, of],
                )

    def give(self, owner: str, asset: str, quantity_lots: int) -> None:
        """Have an owner have so much of an asset, what is set aside included.

        Raises:
            No: More is set aside.
        """
        aside = self._reserved[owner, asset] + self._blocked[owner, asset]
        if quantity_lots < aside:
            raise No("INSUFFICIENT_HOLDING")
        self.record("holding", owner=owner, asset=asset, quantity_lots=quantity_lots)

    def reserve(self, asked: pb.ReserveRequest) -> pb.Reservation:
        """Set a part of a holding aside."""
        if earlier := self.reservations.first(asked.reference):
            if not earlier.quantity_lots:
                raise No("RESERVATION_ENDED")
            if self._idempotent:
                raise Exists
        self._open(asked.owner, asked.asset)
        if self._free(asked.owner, asked.asset) < asked.quantity_lots:
            raise No("INSUFFICIENT_HOLDING")
        self.record(
            "reservation",
            id=new_id("rsv"),
            reference=asked.reference,
            owner=asked.owner,
            asset=asked.asset,
            quantity_lots=asked.quantity_lots,
        )
        return self.reservations.of(asked.reference)[-1]

    def reduce(self, asked: pb.ReduceRequest) -> pb.Reservation:
        """Lower what is reserved; to nothing, whether it was reserved or not."""
        found = self.reservations.first(asked.reference)
        if found is None:
            if asked.to_quantity_lots:
                raise No("UNKNOWN_RESERVATION", StatusCode.NOT_FOUND)
            self.record("reservation", id=new_id("rsv"), reference=asked.reference)
            found = self.reservations.of(asked.reference)[0]
        if asked.version <= found.version:
            return found
        if asked.to_quantity_lots > found.quantity_lots:
            raise No("RESERVATION_NOT_LOWERED")
        if asked.to_quantity_lots < found.taken_lots:
            raise No("RESERVATION_IN_USE")
        self.record(
            "reduction",
            reference=asked.reference,
            quantity_lots=asked.to_quantity_lots,
            version=asked.version,
        )
        return found

    def block(self, asked: pb.BlockRequest) -> pb.BlockedAsset:
        """Take a part of a reservation."""
        if earlier := self.blocks.first(asked.reference):
            if earlier.status == pb.BLOCK_STATUS_UNBLOCKED:
                raise No("BLOCK_ENDED")
            if self._idempotent:
                raise Exists
        found = self.reservations.first(asked.reservation)
        if found is None:
            raise No("UNKNOWN_RESERVATION", StatusCode.NOT_FOUND)
        if found.quantity_lots - found.taken_lots < asked.quantity_lots:
            raise No("RESERVATION_EXCEEDED")
        block = pb.BlockedAsset(
            id=new_id("blk"),
            reference=asked.reference,
            reservation=asked.reservation,
            owner=found.owner,
            asset=found.asset,
            quantity_lots=asked.quantity_lots,
            status=pb.BLOCK_STATUS_BLOCKED,
        )
        self.record("block", **_content(block))
        return self.blocks.of(asked.reference)[-1]

    def deliver(self, asked: pb.DeliverRequest) -> pb.BlockedAsset:
        """Make what is blocked another's."""
        found = self.blocks.first(asked.reference)
        if found is None:
            raise No("UNKNOWN_BLOCK", StatusCode.NOT_FOUND)
        if found.status == pb.BLOCK_STATUS_UNBLOCKED:
            raise No("BLOCK_ENDED")
        if found.status == pb.BLOCK_STATUS_DELIVERED:
            if found.recipient != asked.recipient:
                raise No("DELIVERED_TO_ANOTHER")
            return found
        self._open(asked.recipient, found.asset)
        self.record("delivery", reference=asked.reference, recipient=asked.recipient)
        return found

    def unblock(self, asked: pb.UnblockRequest) -> pb.BlockedAsset:
        """Make what is blocked its owner's again."""
        found = self.blocks.first(asked.reference)
        if found is None:
            block = pb.BlockedAsset(
                id=new_id("blk"), reference=asked.reference, status=pb.BLOCK_STATUS_UNBLOCKED
            )
            self.record("block", **_content(block))
            return self.blocks.of(asked.reference)[0]
        if found.status == pb.BLOCK_STATUS_DELIVERED:
            raise No("BLOCK_DELIVERED")
        if found.status == pb.BLOCK_STATUS_BLOCKED:
            self.record("unblocking", reference=asked.reference)
        return found

    def totals(self) -> dict[str, Any]:
        """Return counts and sums; what was issued of an asset is what all have of it."""
        return {
            "issued_lots": dict(self._issued),
            "reservations": self.counts["reservation"],
            "blocks": {
                "count": self.counts["block"],
                "delivered": self.counts["delivery"],
                "unblocked": self.counts["unblocking"],
            },
            "refusals": self.counts["refusal"],
            "duplicates": {
                "reservations": self.reservations.duplicates(),
                "blocks": self.blocks.duplicates(),
            },
        }

    def _open(self, owner: str, asset: str) -> None:
        if (owner, asset) not in self._holdings:
            self.record("holding", owner=owner, asset=asset, quantity_lots=self._opening_lots)

    def _free(self, owner: str, asset: str) -> int:
        place = owner, asset
        return self._holdings[place] - self._reserved[place] - self._blocked[place]

    def _apply(self, kind: str, record: Record) -> None:
        match kind:
            case "holding":
                place = record["owner"], record["asset"]
                self._issued[place[1]] += record["quantity_lots"] - self._holdings.get(place, 0)
                self._holdings[place] = record["quantity_lots"]
            case "reservation":
                reservation = pb.Reservation(**record)
                self.reservations.keep(reservation)
                self._reserved[_place(reservation)] += reservation.quantity_lots
            case "reduction":
                reservation = self.reservations.of(record["reference"])[0]
                less = reservation.quantity_lots - record["quantity_lots"]
                self._reserved[_place(reservation)] -= less
                reservation.quantity_lots = record["quantity_lots"]
                reservation.version = record["version"]
            case "block":
                self._apply_block(ParseDict(record, pb.BlockedAsset()))
            case "delivery":
                block = self.blocks.of(record["reference"])[0]
                block.status, block.recipient = pb.BLOCK_STATUS_DELIVERED, record["recipient"]
                self._blocked[_place(block)] -= block.quantity_lots
                self._holdings[_place(block)] -= block.quantity_lots
                self._holdings[block.recipient, block.asset] += block.quantity_lots
            case "unblocking":
                block = self.blocks.of(record["reference"])[0]
                block.status = pb.BLOCK_STATUS_UNBLOCKED
                self._blocked[_place(block)] -= block.quantity_lots

    def _apply_block(self, block: pb.BlockedAsset) -> None:
        self.blocks.keep(block)
        if not block.quantity_lots:  # it only stands in the way
            return
        reservation = self.reservations.of(block.reservation)[0]
        reservation.taken_lots += block.quantity_lots
        self._reserved[_place(block)] -= block.quantity_lots
        self._blocked[_place(block)] += block.quantity_lots


def _place(thing: pb.Reservation | pb.BlockedAsset) -> Place:
    return thing.owner, thing.asset


def _content(block: pb.BlockedAsset) -> dict[str, Any]:
    return MessageToDict(block, preserving_proto_field_name=True)
