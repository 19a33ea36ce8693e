"""What a payment gateway has to do, tested on any class that says it is one."""

import asyncio
import time
from collections.abc import Mapping
from typing import Final

import pytest

from perdure.core.errors import InvalidInput, ProviderDeclined, ProviderOutcomeUnknown, Refused
from perdure.providers.gateway import CHARGE_STATUSES, Charge, PaymentGateway
from perdure.testing.provider_contract import Call, ProviderContract, error_of, new_reference
from perdure.testing.wire import CUT_AFTER, SILENT_AFTER, Fault, Wire

AMOUNT_MINOR: Final = 1250
_PATIENCE_S: Final = 10.0


class PaymentGatewayContract(ProviderContract[PaymentGateway]):
    """A gateway; see `provider_contract` for how it is inherited."""

    currency = "EUR"
    currencies: tuple[str, ...] = ("EUR", "JPY", "KWD")
    """In which amounts are compared: of two, no and three digits."""
    takes = ""
    """A payment method that is charged."""
    declines = ""
    """A payment method that is refused at once."""
    decline_code = ""
    stays_pending = ""
    """A payment method whose charge waits for its confirmation; empty: there is none."""
    knows_repeats = True
    """Whether the same reference again is the same charge."""

    def acts(self, provider: PaymentGateway) -> Mapping[str, Call]:
        """Return what acts with its first request."""
        return {"charge": lambda: self._charge(provider, new_reference())}

    def acts_after_looking(self, provider: PaymentGateway) -> Mapping[str, Call]:
        """Return what may look for the charge first."""
        return {
            "cancel_charge": lambda: provider.cancel_charge(new_reference()),
            "refund": lambda: self._refund(provider, new_reference(), new_reference()),
        }

    def reads(self, provider: PaymentGateway) -> Mapping[str, Call]:
        """Return what has no effect."""
        charge = new_reference()
        return {
            "find_charge": lambda: provider.find_charge(charge),
            "find_refund": lambda: provider.find_refund(new_reference(), charge_reference=charge),
        }

    async def _charge(
        self,
        gateway: PaymentGateway,
        reference: str,
        payment_method: str = "",
        *,
        amount_minor: int = AMOUNT_MINOR,
        currency: str = "",
    ) -> Charge:
        return await gateway.charge(
            reference=reference,
            amount_minor=amount_minor,
            currency=currency or self.currency,
            payment_method=payment_method or self.takes,
        )

    async def _refund(
        self, gateway: PaymentGateway, reference: str, charge: str, amount_minor: int = AMOUNT_MINOR
    ) -> object:
        return await gateway.refund(
            reference=reference, charge_reference=charge, amount_minor=amount_minor
        )

    async def _found(self, gateway: PaymentGateway, reference: str) -> Charge:
        found = await gateway.find_charge(reference)
        assert found is not None, reference
        return found

    async def _collected(self, gateway: PaymentGateway) -> str:
        """Have a charge succeed; returns its reference."""
        reference, until_s = new_reference(), time.monotonic() + _PATIENCE_S
        await self._charge(gateway, reference)
        while (await self._found(gateway, reference)).status != "succeeded":
            assert time.monotonic() < until_s, "it has not succeeded"
            await asyncio.sleep(0.02)
        return reference

    async def test_a_charge_is_what_was_asked_for_and_found_by_our_reference(
        self, provider: PaymentGateway
    ) -> None:
        """In every currency; and what nobody asked for is nothing."""
        for currency in self.currencies:
            reference = new_reference()
            assert await provider.find_charge(reference) is None
            made = await self._charge(provider, reference, currency=currency)
            found = await self._found(provider, reference)
            assert made.id == found.id
            for charge in (made, found):
                says = (charge.reference, charge.amount_minor, charge.currency)
                assert says == (reference, AMOUNT_MINOR, currency)
                assert charge.status in CHARGE_STATUSES
                assert charge.refunded_minor == 0

    async def test_the_same_reference_is_charged_once(self, provider: PaymentGateway) -> None:
        """And other content under it is no yes."""
        if not self.knows_repeats:
            pytest.skip("this gateway does not know repeats")
        reference = new_reference()
        first, second = [await self._charge(provider, reference) for _ in range(2)]
        assert first.id == second.id
        error = await error_of(self._charge(provider, reference, amount_minor=1))
        assert isinstance(error, ProviderOutcomeUnknown), repr(error)
        assert (await self._found(provider, reference)).amount_minor == AMOUNT_MINOR

    async def test_a_refused_method_is_a_no_with_its_code(self, provider: PaymentGateway) -> None:
        """It took nothing."""
        reference = new_reference()
        error = await error_of(self._charge(provider, reference, self.declines))
        assert isinstance(error, ProviderDeclined), repr(error)
        assert error.code == self.decline_code
        found = await provider.find_charge(reference)
        assert found is None or found.status in {"failed", "cancelled"}

    @pytest.mark.parametrize("fault", [CUT_AFTER, SILENT_AFTER], ids=["cut", "silent"])
    async def test_a_lost_answer_is_found_out(
        self, wire: Wire, provider: PaymentGateway, fault: Fault
    ) -> None:
        """Of a charge, and of its refund."""
        charge, lost, refund = await self._collected(provider), new_reference(), new_reference()
        assert await provider.find_refund(refund, charge_reference=charge) is None
        with wire.fault(fault, acts_only=True):
            errors = [
                await error_of(self._charge(provider, lost)),
                await error_of(self._refund(provider, refund, charge, 250)),
            ]
        for error in errors:
            assert isinstance(error, ProviderOutcomeUnknown), repr(error)
        assert (await self._found(provider, lost)).amount_minor == AMOUNT_MINOR
        found = await provider.find_refund(refund, charge_reference=charge)
        assert found is not None
        assert (found.reference, found.amount_minor) == (refund, 250)
        assert (await self._found(provider, charge)).refunded_minor == 250

    async def test_a_charge_that_is_called_off_takes_nothing(
        self, provider: PaymentGateway
    ) -> None:
        """Twice is once; and what has ended is answered as it is."""
        collected = await self._collected(provider)
        assert (await provider.cancel_charge(collected)).status == "succeeded"
        if not self.stays_pending:
            return
        reference = new_reference()
        assert (await self._charge(provider, reference, self.stays_pending)).status == "pending"
        for _ in range(2):
            assert (await provider.cancel_charge(reference)).status == "cancelled"
        assert (await self._found(provider, reference)).status == "cancelled"

    async def test_a_charge_is_given_back_in_parts_and_never_more_than_it_was(
        self, provider: PaymentGateway
    ) -> None:
        """Each reference once."""
        charge, part, rest = await self._collected(provider), new_reference(), new_reference()
        first, second = [await self._refund(provider, part, charge, 250) for _ in range(2)]
        assert first == second
        assert (await self._found(provider, charge)).refunded_minor == 250
        await self._refund(provider, rest, charge, AMOUNT_MINOR - 250)
        assert (await self._found(provider, charge)).refunded_minor == AMOUNT_MINOR
        no = await error_of(self._refund(provider, new_reference(), charge, 1))
        assert isinstance(no, Refused | InvalidInput), repr(no)
        given_back = await self._found(provider, charge)
        assert given_back.refunded_minor == AMOUNT_MINOR
        await self._check_books(provider, given_back)
