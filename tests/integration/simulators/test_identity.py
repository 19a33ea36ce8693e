"""A simulator tells who it is, and whoever meets another one than it should says so."""

from pathlib import Path
from typing import Any, cast

import httpx
import pytest

from perdure.cli.machine import Machine
from perdure.cli.simulated import Running
from perdure.cli.up import check_who_answers
from perdure.core.errors import ConfigurationError, ProviderUnavailable
from perdure.core.identity import Identity, books_in
from perdure.providers.bank import BANK_ROLE
from perdure.providers.gateway import HttpPaymentGateway
from perdure.providers.http_client import open_http_client
from perdure.simulators.bank import BankSettings, open_bank


def machine(url: str, identity: Identity) -> Machine:
    """A platform that believes that this simulator of its own answers there."""
    running = Running(BANK_ROLE, "", identity, url, url)
    found: Any = type("Machine", (), {"simulators": [running]})
    return cast("Machine", found)


async def test_the_answer_of_another_provider_is_none(tmp_path: Path) -> None:
    async with open_bank(BankSettings(tmp_path, port=0)) as port:
        url = f"http://127.0.0.1:{port}"
        async with open_http_client(url, timeout_s=30) as client:
            gateway = HttpPaymentGateway(client)
            # Before, its 404 was that of a gateway that finds the request wrong.
            with pytest.raises(ProviderUnavailable, match="the simulator bank answers at its"):
                await gateway.charge(
                    reference="pay_1",
                    amount_minor=1250,
                    currency="USD",
                    payment_method="tok_ok",
                    callback_url=None,
                )
            with pytest.raises(ProviderUnavailable, match="the simulator bank answers at its"):
                await gateway.find_charge("pay_1")


async def test_who_answers_is_compared_with_who_was_started(tmp_path: Path) -> None:
    async with open_bank(BankSettings(tmp_path, port=0)) as port:
        url, mine = f"http://127.0.0.1:{port}", books_in(tmp_path)
        async with httpx.AsyncClient(base_url=url) as http:
            answers = [await http.get(path) for path in ("/healthz", "/nowhere", "/v1/totals")]
        assert {Identity.of(answer.headers) for answer in answers} == {Identity("bank", mine)}

        await check_who_answers(machine(url, Identity("bank", mine)), print)
        with pytest.raises(ConfigurationError, match=f"with the books {mine} answers at {url}"):
            await check_who_answers(machine(url, Identity("bank", books_in(tmp_path / "a"))), print)
        with pytest.raises(ConfigurationError, match="and not the simulator gateway"):
            await check_who_answers(machine(url, Identity("gateway", mine)), print)
