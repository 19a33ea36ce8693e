"""The daily limit of v2, per customer (BR-10)."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from temporalio.client import Client

from perdure.operations.model import Status

from .town import Town, open_town


@pytest.fixture(scope="module")
async def limited_town(
    postgres_url: str, temporal_client: Client, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Town]:
    """A town where a customer pays at most 30.00 a day."""
    folder = tmp_path_factory.mktemp("limited")
    async with open_town(
        postgres_url, temporal_client, folder, payment_daily_limit_minor=3_000
    ) as opened:
        yield opened


async def test_payments_racing_for_the_days_limit_keep_it_together_br10(limited_town: Town) -> None:
    town = limited_town
    account = await town.account(funds_minor=50_000)
    payments = await asyncio.gather(*(town.pay(account) for _ in range(6)))
    ends = [await town.end_of(payment_id) for payment_id in payments]
    assert sum(end.status == Status.SUCCEEDED for end in ends) == 3
    refused = [end.failure for end in ends if end.status == Status.FAILED]
    assert {failure.code for failure in refused if failure} == {"daily_limit_exceeded"}
    assert (await town.balance(account)).available_minor == 47_000


async def test_a_payment_that_failed_does_not_count_br10(limited_town: Town) -> None:
    town = limited_town
    account = await town.account(funds_minor=50_000)
    failed = await town.pay(account, amount_minor=3_000, token="tok_declined")
    assert (await town.end_of(failed)).status == Status.FAILED
    full = await town.pay(account, amount_minor=3_000)
    assert (await town.end_of(full)).status == Status.SUCCEEDED
    over = await town.pay(account, amount_minor=1)
    assert (await town.end_of(over)).status == Status.FAILED
