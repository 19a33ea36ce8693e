"""What holds for every provider over gRPC; see `provider_contract` for how it is inherited.

class TestAcmeWallets(WalletServiceContract, GrpcContract[WalletService]):
    @pytest.fixture
    async def server(self) -> AsyncIterator[str]: ...
"""

from collections.abc import AsyncIterator
from typing import Final

import pytest
from grpc import StatusCode

from perdure.core.errors import (
    CALL_UNDER_WAY,
    CREDENTIALS_REFUSED,
    HAS_IT_ALREADY,
    InvalidInput,
    ProviderDeclined,
    ProviderOutcomeUnknown,
    ProviderRateLimited,
    ProviderUnavailable,
)
from perdure.testing.grpc_wire import GrpcFault, GrpcWire, open_grpc_wire
from perdure.testing.provider_contract import AnyContract, Provider

_BREAKS_OFF: Final = (StatusCode.UNAVAILABLE, StatusCode.UNKNOWN, StatusCode.INTERNAL)
_GIVES_UP: Final = (StatusCode.DEADLINE_EXCEEDED, StatusCode.CANCELLED)


class GrpcContract(AnyContract[Provider]):
    """How one is to take each code."""

    nobody = "grpc://127.0.0.1:9"
    arrives = (0, 1)  # a channel may notice only by a call that its connection is gone

    @pytest.fixture
    async def wire(self, server: str) -> AsyncIterator[GrpcWire]:
        """The way to the server."""
        async with open_grpc_wire(server) as wire:
            yield wire

    @pytest.mark.parametrize("code", [*_BREAKS_OFF, *_GIVES_UP], ids=lambda code: code.name)
    async def test_whoever_broke_off_may_have_acted(
        self, wire: GrpcWire, provider: Provider, code: StatusCode
    ) -> None:
        """It has ended where the service itself says more of it; otherwise it may arrive yet."""
        for reason in ("", "BROKEN"):
            with wire.fault(GrpcFault(code=code, reason=reason)):
                for name, error in (await self._errors(self.acts(provider))).items():
                    assert isinstance(error, ProviderOutcomeUnknown), f"{name}: {error!r}"
                    ended = bool(reason) and code in _BREAKS_OFF
                    assert error.in_flight is not ended, name
                await self._check_others(provider)

    @pytest.mark.parametrize(
        ("code", "meaning"),
        [(StatusCode.ABORTED, CALL_UNDER_WAY), (StatusCode.ALREADY_EXISTS, HAS_IT_ALREADY)],
        ids=["ABORTED", "ALREADY_EXISTS"],
    )
    async def test_what_something_else_is_in_the_way_of_is_asked_about(
        self, wire: GrpcWire, provider: Provider, code: StatusCode, meaning: str
    ) -> None:
        """Neither is a no."""
        with wire.fault(GrpcFault(code=code, reason="SO")):
            for name, error in (await self._errors(self.acts(provider))).items():
                assert isinstance(error, ProviderOutcomeUnknown), f"{name}: {error!r}"
                assert error.code == meaning, name

    async def test_an_answer_that_makes_no_sense_is_none(
        self, wire: GrpcWire, provider: Provider
    ) -> None:
        """It acted, and what it did has to be found out."""
        with wire.fault(GrpcFault(nonsense=True)):
            for name, error in (await self._errors(self.acts(provider))).items():
                assert isinstance(error, ProviderOutcomeUnknown), f"{name}: {error!r}"
            await self._check_others(provider)

    @pytest.mark.parametrize(("said_s", "waited_s"), [(None, 1), (6.2, 7)])
    async def test_who_asks_to_wait_is_told_with_for_how_long(
        self, wire: GrpcWire, provider: Provider, said_s: float | None, waited_s: float
    ) -> None:
        """Nothing was done, and the whole fleet is to leave it alone."""
        fault = GrpcFault(code=StatusCode.RESOURCE_EXHAUSTED, retry_after_s=said_s)
        with wire.fault(fault):
            for name, error in (await self._errors(self._all(provider))).items():
                assert isinstance(error, ProviderRateLimited), f"{name}: {error!r}"
                assert error.retry_after_s == waited_s, name

    @pytest.mark.parametrize(
        "code",
        [StatusCode.UNAUTHENTICATED, StatusCode.PERMISSION_DENIED, StatusCode.UNIMPLEMENTED],
        ids=lambda code: code.name,
    )
    async def test_who_does_not_know_us_did_nothing(
        self, wire: GrpcWire, provider: Provider, code: StatusCode
    ) -> None:
        """Wrong credentials, or the wrong address, fail no operation."""
        with wire.fault(GrpcFault(code=code)):
            for name, error in (await self._errors(self._all(provider))).items():
                assert type(error) is ProviderUnavailable, f"{name}: {error!r}"
                is_about_us = code is not StatusCode.UNIMPLEMENTED
                assert (error.code == CREDENTIALS_REFUSED) is is_about_us, name

    async def test_a_precondition_is_a_no_and_a_wrong_request_stays_wrong(
        self, wire: GrpcWire, provider: Provider
    ) -> None:
        """The one with the service's own word for it."""
        with wire.fault(GrpcFault(code=StatusCode.FAILED_PRECONDITION, reason="SO_IT_IS")):
            for name, error in (await self._errors(self.acts(provider))).items():
                assert isinstance(error, ProviderDeclined), f"{name}: {error!r}"
                assert error.code == "so_it_is", name
        with wire.fault(GrpcFault(code=StatusCode.INVALID_ARGUMENT)):
            for name, error in (await self._errors(self._all(provider))).items():
                assert isinstance(error, InvalidInput), f"{name}: {error!r}"

    async def test_not_found_is_no_answer_to_a_question(
        self, wire: GrpcWire, provider: Provider
    ) -> None:
        """Taken for "never seen", it would have it done twice."""
        with wire.fault(GrpcFault(code=StatusCode.NOT_FOUND)):
            await self._check_others(provider)
