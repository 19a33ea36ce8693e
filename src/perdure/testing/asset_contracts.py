"""What an asset service and a wallet service have to do, tested on any class that says it is one.

See `provider_contract` for how they are inherited.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Final, TypeVar

import pytest

from perdure.core.errors import InvalidInput, ProviderDeclined, ProviderOutcomeUnknown
from perdure.testing.provider_contract import AnyContract, Call, error_of, new_reference
from perdure.testing.wire import CUT_AFTER, SILENT_AFTER, AnyWire, Fault
from perdure.trades.services.assets import (
    BLOCK_STATUSES,
    AssetService,
    BlockedAsset,
    Reservation,
)
from perdure.trades.services.wallets import TRANSFER_STATUSES, WalletService, WalletTransfer

LOTS: Final = 40
AMOUNT_MINOR: Final = 1250
FEE_MINOR: Final = 17

Item = TypeVar("Item")

_LOST = pytest.mark.parametrize("fault", [CUT_AFTER, SILENT_AFTER], ids=["cut", "silent"])


async def _listed(items: AsyncIterator[Item]) -> list[Item]:
    return [item async for item in items]


class AssetServiceContract(AnyContract[AssetService]):
    """An asset service."""

    asset = "GEM"
    owner = "acc_contract_seller"
    """Somebody who has 10,000 lots of it, at least."""
    recipient = "acc_contract_buyer"
    frozen = ""
    """An asset of which nothing may be reserved; empty: there is none."""
    frozen_code = "holding_frozen"

    def acts(self, provider: AssetService) -> Mapping[str, Call]:
        """Return what acts with its first request."""
        return {
            "reserve": lambda: self._reserve(provider, new_reference()),
            "reduce": lambda: provider.reduce(
                reference=new_reference(), to_quantity_lots=0, version=1
            ),
            "block": lambda: provider.block(
                reference=new_reference(), reservation=new_reference(), quantity_lots=1
            ),
            "deliver": lambda: provider.deliver(
                reference=new_reference(), recipient=self.recipient
            ),
            "unblock": lambda: provider.unblock(new_reference()),
        }

    def reads(self, provider: AssetService) -> Mapping[str, Call]:
        """Return what has no effect."""
        return {
            "find_reservation": lambda: provider.find_reservation(new_reference()),
            "find_block": lambda: provider.find_block(new_reference()),
            "holdings": lambda: _listed(provider.holdings()),
            "reservations": lambda: _listed(provider.reservations()),
            "blocks": lambda: _listed(provider.blocks()),
        }

    async def _reserve(
        self, service: AssetService, reference: str, lots: int = LOTS, asset: str = ""
    ) -> Reservation:
        return await service.reserve(
            reference=reference, owner=self.owner, asset=asset or self.asset, quantity_lots=lots
        )

    async def _block(self, service: AssetService, *, lots: int = LOTS) -> BlockedAsset:
        """Block a part of a reservation of its own."""
        order = new_reference()
        await self._reserve(service, order)
        return await service.block(reference=new_reference(), reservation=order, quantity_lots=lots)

    async def _quantities(self, service: AssetService) -> dict[str, int]:
        return {one.owner: one.quantity_lots for one in await _listed(service.holdings(self.asset))}

    async def test_it_answers_who_asks_whether_it_does(self, provider: AssetService) -> None:
        """As `perdure doctor` does."""
        await provider.check()

    async def test_what_is_set_aside_is_what_was_asked_for_and_found_by_our_reference(
        self, provider: AssetService
    ) -> None:
        """A reservation, a block of it, and both in the books; what nobody asked for is nothing."""
        order, trade = new_reference(), new_reference()
        assert await provider.find_reservation(order) is None
        assert await provider.find_block(trade) is None
        made = await self._reserve(provider, order)
        assert made == await provider.find_reservation(order)
        assert made == Reservation(made.id, order, self.owner, self.asset, LOTS, 0, 0)
        block = await provider.block(reference=trade, reservation=order, quantity_lots=10)
        assert block == await provider.find_block(trade)
        assert block == BlockedAsset(
            block.id, trade, order, self.owner, self.asset, 10, "blocked", ""
        )
        taken = Reservation(made.id, order, self.owner, self.asset, LOTS, 10, 0)
        assert taken in await _listed(provider.reservations())
        assert block in await _listed(provider.blocks())
        await self._check_books(provider, block)

    async def test_a_repeat_is_refused_or_known(self, provider: AssetService) -> None:
        """A service that does it twice is one whose clients ask first; it is not tested here."""
        order = new_reference()
        first = await self._reserve(provider, order)
        error = await error_of(self._reserve(provider, order))
        assert isinstance(error, ProviderOutcomeUnknown), repr(error)
        assert await provider.find_reservation(order) == first

    async def test_nothing_is_set_aside_twice(self, provider: AssetService) -> None:
        """Of a holding, and of a reservation."""
        error = await error_of(self._reserve(provider, new_reference(), 10**15))
        assert isinstance(error, ProviderDeclined), repr(error)
        assert error.code == "insufficient_holding"
        order = new_reference()
        await self._reserve(provider, order)
        for trade, lots, fits in ((new_reference(), 30, True), (new_reference(), 11, False)):
            call = provider.block(reference=trade, reservation=order, quantity_lots=lots)
            if fits:
                await call
                continue
            no = await error_of(call)
            assert isinstance(no, ProviderDeclined), repr(no)
            assert no.code == "reservation_exceeded"
            assert await provider.find_block(trade) is None

    async def test_a_delivery_is_for_good(self, provider: AssetService) -> None:
        """To one recipient; it moves what was blocked, and nothing else."""
        first = await self._block(provider)
        await provider.deliver(reference=first.reference, recipient=self.recipient)
        before, block = await self._quantities(provider), await self._block(provider)
        answers = [
            await provider.deliver(reference=block.reference, recipient=self.recipient)
            for _ in range(2)
        ]
        assert answers[0] == answers[1]
        assert (answers[0].status, answers[0].recipient) == ("delivered", self.recipient)
        for call, code in (
            (provider.unblock(block.reference), "block_delivered"),
            (
                provider.deliver(reference=block.reference, recipient=self.owner),
                "delivered_to_another",
            ),
        ):
            error = await error_of(call)
            assert isinstance(error, ProviderDeclined), repr(error)
            assert error.code == code
        after = await self._quantities(provider)
        assert after[self.owner] == before[self.owner] - LOTS
        assert after[self.recipient] == before[self.recipient] + LOTS

    async def test_what_is_unblocked_is_free_and_nothing_arrives_after(
        self, provider: AssetService
    ) -> None:
        """Nor under a reference that was never seen."""
        block, never_seen = await self._block(provider), new_reference()
        for reference in (block.reference, never_seen):
            first, second = [await provider.unblock(reference) for _ in range(2)]
            assert first == second
            assert (first.reference, first.status) == (reference, "unblocked")
            error = await error_of(
                provider.block(reference=reference, reservation=block.reservation, quantity_lots=1)
            )
            assert isinstance(error, ProviderDeclined), repr(error)
            assert error.code == "block_ended"
        error = await error_of(
            provider.deliver(reference=block.reference, recipient=self.recipient)
        )
        assert isinstance(error, ProviderDeclined), repr(error)

    async def test_a_reservation_is_only_lowered_and_ends_at_nothing(
        self, provider: AssetService
    ) -> None:
        """Each reduction once, whenever it arrives; not below what was taken."""
        order = new_reference()
        await self._reserve(provider, order)
        block = await provider.block(reference=new_reference(), reservation=order, quantity_lots=5)
        for to, version, left in ((20, 2, 20), (30, 1, 20), (20, 2, 20), (5, 3, 5)):
            found = await provider.reduce(reference=order, to_quantity_lots=to, version=version)
            assert (found.quantity_lots, found.taken_lots) == (left, 5)
        for to, code in ((4, "reservation_in_use"), (6, "reservation_not_lowered")):
            error = await error_of(provider.reduce(reference=order, to_quantity_lots=to, version=9))
            assert isinstance(error, ProviderDeclined), repr(error)
            assert error.code == code
        assert await provider.find_block(block.reference) == block
        never_seen = new_reference()
        await provider.reduce(reference=never_seen, to_quantity_lots=0, version=1)
        error = await error_of(self._reserve(provider, never_seen))
        assert isinstance(error, ProviderDeclined), repr(error)
        assert error.code == "reservation_ended"

    async def test_what_is_frozen_is_a_no_and_what_makes_no_sense_stays_wrong(
        self, provider: AssetService
    ) -> None:
        """Nothing was reserved."""
        reference = new_reference()
        error = await error_of(self._reserve(provider, reference, lots=0))
        assert isinstance(error, InvalidInput), repr(error)
        if self.frozen:
            error = await error_of(self._reserve(provider, reference, asset=self.frozen))
            assert isinstance(error, ProviderDeclined), repr(error)
            assert error.code == self.frozen_code
        assert await provider.find_reservation(reference) is None

    @_LOST
    async def test_a_lost_answer_is_found_out(
        self, wire: AnyWire, provider: AssetService, fault: Fault
    ) -> None:
        """Of a reservation, a block, a delivery."""
        order, trade = new_reference(), new_reference()
        calls: list[Call] = [
            lambda: self._reserve(provider, order),
            lambda: provider.block(reference=trade, reservation=order, quantity_lots=LOTS),
            lambda: provider.deliver(reference=trade, recipient=self.recipient),
        ]
        for call in calls:
            with wire.fault(fault, acts_only=True):
                error = await error_of(call())
            assert isinstance(error, ProviderOutcomeUnknown), repr(error)
        reservation = await provider.find_reservation(order)
        assert reservation is not None
        assert reservation.taken_lots == LOTS
        block = await provider.find_block(trade)
        assert block is not None
        assert (block.status, block.recipient) == ("delivered", self.recipient)
        assert block.status in BLOCK_STATUSES


class WalletServiceContract(AnyContract[WalletService]):
    """A wallet service."""

    currencies: tuple[str, ...] = ("EUR", "JPY", "KWD")
    payer = "acc_contract_buyer"
    """Somebody who has 1,000,000 of each currency's minor units, at least."""
    payee = "acc_contract_seller"

    def acts(self, provider: WalletService) -> Mapping[str, Call]:
        """Return what acts with its first request."""
        return {
            "transfer": lambda: self._transfer(provider, new_reference()),
            "reverse": lambda: provider.reverse(new_reference()),
        }

    def reads(self, provider: WalletService) -> Mapping[str, Call]:
        """Return what has no effect."""
        return {
            "find_transfer": lambda: provider.find_transfer(new_reference()),
            "transfers": lambda: _listed(provider.transfers()),
            "wallets": lambda: _listed(provider.wallets()),
        }

    async def _transfer(
        self,
        service: WalletService,
        reference: str,
        *,
        amount_minor: int = AMOUNT_MINOR,
        currency: str = "EUR",
    ) -> WalletTransfer:
        return await service.transfer(
            reference=reference,
            payer=self.payer,
            payee=self.payee,
            amount_minor=amount_minor,
            fee_minor=FEE_MINOR,
            currency=currency,
        )

    async def _balances(self, service: WalletService) -> dict[str, int]:
        return {
            one.account: one.balance_minor
            for one in await _listed(service.wallets())
            if one.currency == "EUR"
        }

    async def test_it_answers_who_asks_whether_it_does(self, provider: WalletService) -> None:
        """As `perdure doctor` does."""
        await provider.check()

    async def test_a_transfer_is_what_was_asked_for_and_found_by_our_reference(
        self, provider: WalletService
    ) -> None:
        """In every currency; and what nobody asked for is nothing."""
        for currency in self.currencies:
            reference = new_reference()
            assert await provider.find_transfer(reference) is None
            made = await self._transfer(provider, reference, currency=currency)
            assert made == await provider.find_transfer(reference)
            assert made == WalletTransfer(
                id=made.id,
                reference=reference,
                amount_minor=AMOUNT_MINOR,
                currency=currency,
                status=TRANSFER_STATUSES.stands,
                payer=self.payer,
                payee=self.payee,
                fee_minor=FEE_MINOR,
            )
            await self._check_books(provider, made)

    async def test_a_repeat_is_refused_or_known(self, provider: WalletService) -> None:
        """A service that does it twice is one whose clients ask first; it is not tested here."""
        reference = new_reference()
        first = await self._transfer(provider, reference)
        error = await error_of(self._transfer(provider, reference))
        assert isinstance(error, ProviderOutcomeUnknown), repr(error)
        assert await provider.find_transfer(reference) == first

    async def test_money_is_moved_and_given_back_whole(self, provider: WalletService) -> None:
        """None of it appears or vanishes; whatever arrives after a reversal is refused."""
        await self._transfer(provider, new_reference())
        before, reference = await self._balances(provider), new_reference()
        await self._transfer(provider, reference)
        moved = await self._balances(provider)
        change = {account: moved[account] - had for account, had in before.items()}
        assert change[self.payer] == -AMOUNT_MINOR
        assert change[self.payee] == AMOUNT_MINOR - FEE_MINOR
        assert sum(change.values()) == 0
        never_seen = new_reference()
        for given_back in (reference, never_seen):
            first, second = [await provider.reverse(given_back) for _ in range(2)]
            assert first == second
            assert first.status == TRANSFER_STATUSES.undone
            error = await error_of(self._transfer(provider, given_back))
            assert isinstance(error, ProviderDeclined), repr(error)
            assert error.code == "transfer_reversed"
        assert await self._balances(provider) == before

    async def test_who_has_too_little_is_a_no_and_what_makes_no_sense_stays_wrong(
        self, provider: WalletService
    ) -> None:
        """Nothing was moved."""
        reference = new_reference()
        error = await error_of(self._transfer(provider, reference, amount_minor=10**15))
        assert isinstance(error, ProviderDeclined), repr(error)
        assert error.code == "insufficient_funds"
        error = await error_of(self._transfer(provider, reference, amount_minor=FEE_MINOR - 1))
        assert isinstance(error, InvalidInput), repr(error)
        assert await provider.find_transfer(reference) is None

    @_LOST
    async def test_a_lost_answer_is_found_out(
        self, wire: AnyWire, provider: WalletService, fault: Fault
    ) -> None:
        """Of a transfer, and of its reversal."""
        reference = new_reference()
        calls: list[tuple[Call, str]] = [
            (lambda: self._transfer(provider, reference), TRANSFER_STATUSES.stands),
            (lambda: provider.reverse(reference), TRANSFER_STATUSES.undone),
        ]
        for call, status in calls:
            with wire.fault(fault, acts_only=True):
                error = await error_of(call())
            assert isinstance(error, ProviderOutcomeUnknown), repr(error)
            found = await provider.find_transfer(reference)
            assert found is not None
            assert found.status == status
