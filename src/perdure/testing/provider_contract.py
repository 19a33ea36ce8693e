"""What holds for every provider, whatever it does: how it is to take being unanswered.

A contract is a class of tests. Whoever writes a provider inherits it in a test module of their own,
says how the provider is opened, and has its server, or a simulator of it, running:

    class TestAcme(PaymentGatewayContract):
        takes, declines = "pm_good", "pm_bad"

        @pytest.fixture
        async def server(self) -> AsyncIterator[str]:
            async with open_acme_simulator() as port:
                yield f"http://127.0.0.1:{port}"

        def make(self, url: str, host: ProviderHost) -> AcmeGateway:
            return AcmeGateway.from_settings(AcmeSettings(url=url, api_key="test"), host)

One over gRPC inherits `GrpcContract` beside it (`perdure.testing.grpc_contract`). It needs pytest
and pytest-asyncio, with `asyncio_mode = "auto"`.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Final, Generic, TypeVar
from uuid import uuid4

import pytest

from perdure.core.errors import (
    CALL_UNDER_WAY,
    CREDENTIALS_REFUSED,
    PerdureError,
    ProviderError,
    ProviderOutcomeUnknown,
    ProviderRateLimited,
    ProviderUnavailable,
)
from perdure.providers.host import ProviderHost
from perdure.testing.wire import CUT, SILENT, AnyWire, Fault, Wire, open_wire

Provider = TypeVar("Provider")
Call = Callable[[], Awaitable[object]]

TIMEOUT_S: Final = 0.2
NOBODY: Final = "http://127.0.0.1:9"


async def error_of(call: Awaitable[object]) -> PerdureError:
    """Return what a call raises, which has to raise."""
    try:
        answer = await call
    except PerdureError as error:
        return error
    raise AssertionError(f"it was answered with {answer}")


def new_reference() -> str:
    """Return a reference that nobody has used."""
    return f"test_{uuid4().hex}"


class AnyContract(Generic[Provider]):
    """How a provider is to take what goes wrong on the way to it, however it is spoken to.

    Inherit one of the contracts below it, and write `make` and the fixture `server`.
    """

    timeout_s = TIMEOUT_S
    nobody = NOBODY
    """A URL where nobody is."""
    arrives: tuple[int, ...] = (1,)
    """How often what goes unanswered may have got as far as the wire."""

    def make(self, url: str, host: ProviderHost) -> Provider:
        """Return the provider, as it is at a URL."""
        raise NotImplementedError

    def acts(self, provider: Provider) -> Mapping[str, Call]:
        """Return calls that act with their first request."""
        raise NotImplementedError

    def acts_after_looking(self, provider: Provider) -> Mapping[str, Call]:  # noqa: ARG002
        """Return calls that act, and may ask something first."""
        return {}

    def reads(self, provider: Provider) -> Mapping[str, Call]:
        """Return calls that have no effect."""
        raise NotImplementedError

    @pytest.fixture
    async def wire(self, server: str) -> AsyncIterator[AnyWire]:
        """The way to the server."""
        async with open_wire(server) as wire:
            yield wire

    @pytest.fixture
    async def provider(self, wire: AnyWire) -> AsyncIterator[Provider]:
        """The provider, at the near end of the wire."""
        async with ProviderHost(timeout_s=self.timeout_s) as host:
            yield self.make(wire.url, host)

    async def _errors(self, calls: Mapping[str, Call]) -> dict[str, PerdureError]:
        return {name: await error_of(call()) for name, call in calls.items()}

    def _all(self, provider: Provider) -> dict[str, Call]:
        calls = {**self.acts(provider), **self.acts_after_looking(provider)}
        return {**calls, **self.reads(provider)}

    async def _check_books(self, provider: Provider, found: Any) -> None:
        """If its class tells its books, they have what is found by our reference, once."""
        if tells := getattr(provider, "books", None):
            told = [entry async for entry in tells(None) if entry.reference == found.reference]
            assert told == [found]

    async def _check_others(self, provider: Provider) -> None:
        for name, error in (await self._errors(self.reads(provider))).items():
            assert type(error) is ProviderUnavailable, f"{name}: {error!r}"
        for name, error in (await self._errors(self.acts_after_looking(provider))).items():
            assert isinstance(error, ProviderError), f"{name}: {error!r}"

    async def test_nobody_there_is_unavailable(self) -> None:
        """What was not sent did nothing."""
        async with ProviderHost(timeout_s=self.timeout_s) as host:
            found = await self._errors(self._all(self.make(self.nobody, host)))
        assert {name: type(error) for name, error in found.items()} == dict.fromkeys(
            found, ProviderUnavailable
        )

    @pytest.mark.parametrize("fault", [CUT, SILENT], ids=["cut", "silent"])
    async def test_no_answer_is_unknown_and_asked_once(
        self, wire: AnyWire, provider: Provider, fault: Fault
    ) -> None:
        """What was sent may arrive yet; and nothing sends it again behind our back."""
        with wire.fault(fault):
            for name, call in self.acts(provider).items():
                before = wire.requests
                error = await error_of(call())
                assert wire.requests - before in self.arrives, name
                assert isinstance(error, ProviderOutcomeUnknown), f"{name}: {error!r}"
                assert error.in_flight, name
            await self._check_others(provider)


class ProviderContract(AnyContract[Provider]):
    """The same of one over HTTP."""

    @pytest.mark.parametrize(
        ("status", "in_flight"), [(500, False), (503, False), (502, True), (504, True)]
    )
    async def test_a_server_error_is_unknown(
        self, wire: Wire, provider: Provider, status: int, in_flight: bool
    ) -> None:
        """Whoever broke off may have acted; a proxy's error ends nothing behind it."""
        with wire.fault(Fault(status=status)):
            for name, error in (await self._errors(self.acts(provider))).items():
                assert isinstance(error, ProviderOutcomeUnknown), f"{name}: {error!r}"
                assert error.in_flight is in_flight, name
            await self._check_others(provider)

    async def test_a_conflict_says_that_a_call_may_be_under_way(
        self, wire: Wire, provider: Provider
    ) -> None:
        """A 409 is never a no."""
        with wire.fault(Fault(status=409)):
            for name, error in (await self._errors(self.acts(provider))).items():
                assert isinstance(error, ProviderOutcomeUnknown), f"{name}: {error!r}"
                assert error.code == CALL_UNDER_WAY, name

    async def test_an_answer_that_makes_no_sense_is_none(
        self, wire: Wire, provider: Provider
    ) -> None:
        """It acted, and what it did has to be found out."""
        with wire.fault(Fault(status=200, body=b"<html>")):
            for name, error in (await self._errors(self.acts(provider))).items():
                assert isinstance(error, ProviderOutcomeUnknown), f"{name}: {error!r}"
            await self._check_others(provider)

    async def test_who_asks_to_wait_is_told_with_for_how_long(
        self, wire: Wire, provider: Provider
    ) -> None:
        """Nothing was done, and the whole fleet is to leave it alone."""
        with wire.fault(Fault(status=429, headers={"Retry-After": "7"})):
            for name, error in (await self._errors(self._all(provider))).items():
                assert isinstance(error, ProviderRateLimited), f"{name}: {error!r}"
                assert error.retry_after_s == 7, name

    @pytest.mark.parametrize("status", [401, 403])
    async def test_who_does_not_know_us_did_nothing(
        self, wire: Wire, provider: Provider, status: int
    ) -> None:
        """Wrong credentials fail no operation."""
        with wire.fault(Fault(status=status)):
            for name, error in (await self._errors(self._all(provider))).items():
                assert type(error) is ProviderUnavailable, f"{name}: {error!r}"
                assert error.code == CREDENTIALS_REFUSED, name
