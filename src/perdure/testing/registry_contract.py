"""What a domain registry has to do, tested on any class that says it is one."""

from collections.abc import Mapping
from datetime import date
from typing import Final

import pytest

from perdure.core.errors import NotFound, ProviderDeclined, ProviderOutcomeUnknown
from perdure.providers.registry import DOMAIN_STATUSES, DomainRegistry, RegistryRenewal
from perdure.testing.provider_contract import Call, ProviderContract, error_of, new_reference
from perdure.testing.wire import CUT_AFTER, SILENT_AFTER, Fault, Wire

_SOME_DAY: Final = date(2026, 6, 1)


class DomainRegistryContract(ProviderContract[DomainRegistry]):
    """A registry; see `provider_contract` for how it is inherited."""

    domains: tuple[str, ...] = ()
    """Three domains that can be renewed; each test takes those it needs."""
    nobody_has = ""
    """A domain that is not registered."""
    takes_back = True
    """Whether a renewal can be undone."""

    def acts(self, provider: DomainRegistry) -> Mapping[str, Call]:
        """Return what acts with its first request."""
        return {
            "renew": lambda: provider.renew(
                reference=new_reference(),
                domain=self.domains[0],
                current_expires_on=_SOME_DAY,
                years=1,
            ),
            "undo_renewal": lambda: provider.undo_renewal(new_reference()),
        }

    def reads(self, provider: DomainRegistry) -> Mapping[str, Call]:
        """Return what has no effect."""
        return {
            "domain": lambda: provider.domain(self.domains[0]),
            "find_renewal": lambda: provider.find_renewal(new_reference()),
        }

    async def _renew(
        self, registry: DomainRegistry, domain: str, reference: str
    ) -> RegistryRenewal:
        known = await registry.domain(domain)
        return await registry.renew(
            reference=reference, domain=domain, current_expires_on=known.expires_on, years=1
        )

    async def test_a_domain_is_known_or_not(self, provider: DomainRegistry) -> None:
        """What nobody has is not found, be it looked at or renewed."""
        known = await provider.domain(self.domains[0])
        assert known.name == self.domains[0]
        assert known.status in DOMAIN_STATUSES
        for error in (
            await error_of(provider.domain(self.nobody_has)),
            await error_of(
                provider.renew(
                    reference=new_reference(),
                    domain=self.nobody_has,
                    current_expires_on=_SOME_DAY,
                    years=1,
                )
            ),
        ):
            assert isinstance(error, NotFound), repr(error)

    async def test_a_renewal_is_what_was_asked_for_and_made_once(
        self, provider: DomainRegistry
    ) -> None:
        """The date in it keeps a second call from renewing again."""
        domain, reference = self.domains[0], new_reference()
        before = await provider.domain(domain)
        assert await provider.find_renewal(reference) is None
        made = await self._renew(provider, domain, reference)
        says = (made.reference, made.domain, made.years, made.status)
        assert says == (reference, domain, 1, "renewed")
        assert (made.price_minor, made.currency) == (before.price_minor, before.currency)
        assert made.expires_on.year == before.expires_on.year + 1
        assert (await provider.domain(domain)).expires_on == made.expires_on
        assert await provider.find_renewal(reference) == made
        again = await error_of(
            provider.renew(
                reference=reference, domain=domain, current_expires_on=before.expires_on, years=1
            )
        )
        assert isinstance(again, ProviderDeclined), repr(again)
        assert again.code == "expiry_mismatch"
        assert (await provider.domain(domain)).expires_on == made.expires_on

    @pytest.mark.parametrize("fault", [CUT_AFTER, SILENT_AFTER], ids=["cut", "silent"])
    async def test_a_lost_answer_is_found_out(
        self, wire: Wire, provider: DomainRegistry, fault: Fault
    ) -> None:
        """By our reference."""
        reference = new_reference()
        with wire.fault(fault, acts_only=True):
            error = await error_of(self._renew(provider, self.domains[1], reference))
        assert isinstance(error, ProviderOutcomeUnknown), repr(error)
        found = await provider.find_renewal(reference)
        assert found is not None
        assert found.domain == self.domains[1]
        await self._check_books(provider, found)

    async def test_a_renewal_is_taken_back_once(self, provider: DomainRegistry) -> None:
        """Or refused, where the registry takes none back; what it never saw is refused."""
        domain, reference = self.domains[2], new_reference()
        before = await provider.domain(domain)
        await self._renew(provider, domain, reference)
        if self.takes_back:
            first, second = [await provider.undo_renewal(reference) for _ in range(2)]
            assert first == second
            assert first.status == "undone"
            assert (await provider.domain(domain)).expires_on == before.expires_on
        else:
            assert isinstance(await error_of(provider.undo_renewal(reference)), ProviderDeclined)
        never_seen = await error_of(provider.undo_renewal(new_reference()))
        assert isinstance(never_seen, ProviderDeclined), repr(never_seen)
