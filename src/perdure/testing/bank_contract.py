"""What a bank that pays out has to do, tested on any class that says it is one."""

from collections.abc import Mapping
from typing import Final

import pytest

from perdure.core.errors import ProviderDeclined, ProviderOutcomeUnknown
from perdure.providers.bank import PAYOUT_STATUSES, Payout, PayoutBank
from perdure.testing.provider_contract import Call, ProviderContract, error_of, new_reference
from perdure.testing.wire import CUT_AFTER, SILENT_AFTER, Fault, Wire

AMOUNT_MINOR: Final = 1250


class PayoutBankContract(ProviderContract[PayoutBank]):
    """A bank; see `provider_contract` for how it is inherited."""

    currencies: tuple[str, ...] = ("EUR", "JPY", "KWD")
    takes = ""
    """A destination that is paid."""
    declines = ""
    """A destination that is refused at once."""
    decline_code = ""
    keeps = ""
    """A destination that is paid and whose money cannot be taken back; empty: there is none."""
    knows_repeats = True
    """Whether the same reference again is the same payout."""

    def acts(self, provider: PayoutBank) -> Mapping[str, Call]:
        """Return what acts with its first request."""
        return {
            "pay_out": lambda: self._pay(provider, new_reference()),
            "recall_payout": lambda: provider.recall_payout(new_reference()),
        }

    def reads(self, provider: PayoutBank) -> Mapping[str, Call]:
        """Return what has no effect."""
        return {"find_payout": lambda: provider.find_payout(new_reference())}

    async def _pay(
        self,
        bank: PayoutBank,
        reference: str,
        destination: str = "",
        *,
        amount_minor: int = AMOUNT_MINOR,
        currency: str = "EUR",
    ) -> Payout:
        return await bank.pay_out(
            reference=reference,
            amount_minor=amount_minor,
            currency=currency,
            destination=destination or self.takes,
        )

    async def test_a_payout_is_what_was_asked_for_and_found_by_our_reference(
        self, provider: PayoutBank
    ) -> None:
        """In every currency; and what nobody asked for is nothing."""
        for currency in self.currencies:
            reference = new_reference()
            assert await provider.find_payout(reference) is None
            made = await self._pay(provider, reference, currency=currency)
            found = await provider.find_payout(reference)
            assert found is not None
            assert made.id == found.id
            for payout in (made, found):
                says = (payout.reference, payout.amount_minor, payout.currency)
                assert says == (reference, AMOUNT_MINOR, currency)
                assert payout.status in PAYOUT_STATUSES.known

    async def test_the_same_reference_is_paid_once(self, provider: PayoutBank) -> None:
        """And other content under it is no yes."""
        if not self.knows_repeats:
            pytest.skip("this bank does not know repeats")
        reference = new_reference()
        first, second = [await self._pay(provider, reference) for _ in range(2)]
        assert first == second
        error = await error_of(self._pay(provider, reference, amount_minor=1))
        assert isinstance(error, ProviderOutcomeUnknown), repr(error)

    async def test_a_refused_destination_is_a_no_with_its_code(self, provider: PayoutBank) -> None:
        """It paid nothing."""
        reference = new_reference()
        error = await error_of(self._pay(provider, reference, self.declines))
        assert isinstance(error, ProviderDeclined), repr(error)
        assert error.code == self.decline_code
        assert await provider.find_payout(reference) is None

    @pytest.mark.parametrize("fault", [CUT_AFTER, SILENT_AFTER], ids=["cut", "silent"])
    async def test_a_lost_answer_is_found_out(
        self, wire: Wire, provider: PayoutBank, fault: Fault
    ) -> None:
        """Of a payout, and of its recall."""
        reference = new_reference()
        calls: list[tuple[Call, str]] = [
            (lambda: self._pay(provider, reference), "paid"),
            (lambda: provider.recall_payout(reference), "recalled"),
        ]
        for call, status in calls:
            with wire.fault(fault, acts_only=True):
                error = await error_of(call())
            assert isinstance(error, ProviderOutcomeUnknown), repr(error)
            found = await provider.find_payout(reference)
            assert found is not None
            assert found.status == status

    async def test_a_recall_takes_the_money_back_once(self, provider: PayoutBank) -> None:
        """And whatever arrives under its reference afterwards is declined."""
        paid, never_seen = new_reference(), new_reference()
        await self._pay(provider, paid)
        for reference in (paid, never_seen):
            first, second = [await provider.recall_payout(reference) for _ in range(2)]
            assert first == second
            assert first.status == "recalled"
            await self._check_books(provider, first)
            error = await error_of(self._pay(provider, reference))
            assert isinstance(error, ProviderDeclined), repr(error)

    async def test_money_that_cannot_be_taken_back_stays(self, provider: PayoutBank) -> None:
        """A no, however often it is asked for."""
        if not self.keeps:
            pytest.skip("this bank takes all money back")
        reference = new_reference()
        await self._pay(provider, reference, self.keeps)
        for _ in range(2):
            error = await error_of(provider.recall_payout(reference))
            assert isinstance(error, ProviderDeclined), repr(error)
        found = await provider.find_payout(reference)
        assert found is not None
        assert found.status == "paid"
