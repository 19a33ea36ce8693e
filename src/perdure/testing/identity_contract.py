"""What a verifier of identities has to do, tested on any class that says it is one."""

from collections.abc import Mapping
from datetime import date

import pytest

from perdure.core.check_states import CheckState
from perdure.core.errors import ProviderDeclined, ProviderOutcomeUnknown, Unauthenticated
from perdure.providers.identity import CHECK_STATES, Check, IdentityVerifier
from perdure.testing.provider_contract import Call, ProviderContract, error_of, new_reference
from perdure.testing.wire import CUT_AFTER, SILENT_AFTER, Fault, Wire


class IdentityVerifierContract(ProviderContract[IdentityVerifier]):
    """A verifier; see `provider_contract` for how it is inherited."""

    takes = ""
    """The name of a person whose check does not end by itself."""
    declines = ""
    """The name of a person who is not checked at all; empty: there is none."""
    decline_code = ""

    def acts(self, provider: IdentityVerifier) -> Mapping[str, Call]:
        """Return what acts with its first request."""
        return {
            "begin": lambda: self._begin(provider, new_reference()),
            "call_off": lambda: provider.call_off(new_reference()),
        }

    def reads(self, provider: IdentityVerifier) -> Mapping[str, Call]:
        """Return what has no effect."""
        return {"find": lambda: provider.find(new_reference())}

    async def _begin(
        self, verifier: IdentityVerifier, reference: str, full_name: str = ""
    ) -> Check:
        return await verifier.begin(
            reference=reference,
            customer_id="cus_1",
            full_name=full_name or self.takes,
            birth_date=date(1990, 1, 2),
            country="FR",
            email="ada@example.com",
            phone=None,
        )

    async def test_a_check_is_found_by_our_reference(self, provider: IdentityVerifier) -> None:
        """It says whom it is about; and what nobody asked for is nothing."""
        reference = new_reference()
        assert await provider.find(reference) is None
        made = await self._begin(provider, reference)
        found = await provider.find(reference)
        assert found is not None
        for check in (made, found):
            says = (check.id, check.reference, check.customer_id)
            assert says == (made.id, reference, "cus_1")
            assert check.status in CHECK_STATES - {CheckState.APPROVED}

    async def test_the_same_reference_is_one_check(self, provider: IdentityVerifier) -> None:
        """And another person under it is no yes."""
        reference = new_reference()
        first, second = [await self._begin(provider, reference) for _ in range(2)]
        assert first.id == second.id
        error = await error_of(self._begin(provider, reference, "Somebody Else"))
        assert isinstance(error, ProviderOutcomeUnknown), repr(error)

    async def test_a_person_it_does_not_check_is_a_no(self, provider: IdentityVerifier) -> None:
        """With its code; and there is no check."""
        if not self.declines:
            pytest.skip("this verifier checks everybody")
        reference = new_reference()
        error = await error_of(self._begin(provider, reference, self.declines))
        assert isinstance(error, ProviderDeclined), repr(error)
        assert error.code == self.decline_code
        assert await provider.find(reference) is None

    @pytest.mark.parametrize("fault", [CUT_AFTER, SILENT_AFTER], ids=["cut", "silent"])
    async def test_a_lost_answer_is_found_out(
        self, wire: Wire, provider: IdentityVerifier, fault: Fault
    ) -> None:
        """Of a check's beginning, and of its end."""
        reference = new_reference()
        calls: list[Call] = [
            lambda: self._begin(provider, reference),
            lambda: provider.call_off(reference),
        ]
        for call in calls:
            with wire.fault(fault, acts_only=True):
                error = await error_of(call())
            assert isinstance(error, ProviderOutcomeUnknown), repr(error)
        found = await provider.find(reference)
        assert found is not None
        assert found.status == CheckState.EXPIRED

    async def test_a_check_is_called_off_once_and_for_good(
        self, provider: IdentityVerifier
    ) -> None:
        """It is never approved afterwards."""
        reference = new_reference()
        await self._begin(provider, reference)
        first, second = [await provider.call_off(reference) for _ in range(2)]
        assert first == second
        assert first.status == CheckState.EXPIRED
        await self._check_books(provider, first)

    async def test_what_nobody_signed_is_no_callback(self, provider: IdentityVerifier) -> None:
        """Whoever sends it."""
        error = await error_of(provider.read_callback({}, b"{}"))
        assert isinstance(error, Unauthenticated), repr(error)
