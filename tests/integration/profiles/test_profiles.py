"""Customers' profiles: made once, read by whom they are about and by the house."""

from dataclasses import replace
from datetime import date
from typing import Any, Final
from uuid import uuid4

import pytest

from perdure.api.customers import CustomerView
from perdure.core.errors import Conflict, InvalidInput, NotFound, Refused
from perdure.profiles.model import Profile, ProfileStatus
from perdure.profiles.store import close_profile, create_profile, get_profile
from perdure.storage.pool import Pool

ADA: Final = Profile(
    "", "Ada Lovelace", "ada@EXAMPLE.com", "+442079460000", date(1990, 12, 10), "GB"
)


def ada() -> Profile:
    return replace(ADA, customer_id=f"cus_{uuid4().hex[:8]}")


async def test_a_profile_is_made_once_e13(pool: Pool) -> None:
    new = ada()
    async with pool.acquire() as connection:
        made = await create_profile(connection, new)
        assert made == replace(new, email="ada@example.com", created_at=made.created_at)
        assert await create_profile(connection, new) == made
        with pytest.raises(Conflict) as met:
            await create_profile(connection, replace(new, full_name="Ada King"))
        assert met.value.code == "profile_exists"
        closed = await close_profile(connection, new.customer_id)
        assert closed == replace(made, status=ProfileStatus.CLOSED)
        assert await create_profile(connection, new) == closed
    assert await get_profile(pool, new.customer_id) == closed
    assert CustomerView.of(closed).birth_date == date(1990, 12, 10)


@pytest.mark.parametrize(
    ("param", "value"),
    [
        ("customer_id", " "),
        ("full_name", ""),
        ("email", None),
        ("email", "nobody"),
        ("phone", "0123"),
        ("birth_date", None),
        ("birth_date", date(1815, 12, 10)),
        ("birth_date", date(2999, 1, 1)),
        ("country", None),
        ("country", "France"),
    ],
)
async def test_a_value_that_is_none_is_refused(pool: Pool, param: str, value: Any) -> None:
    async with pool.acquire() as connection:
        with pytest.raises(InvalidInput) as met:
            await create_profile(connection, replace(ada(), **{param: value}))
    assert met.value.param == param


async def test_nobody_is_not_found_and_who_was_erased_gets_no_other(pool: Pool) -> None:
    new = ada()
    async with pool.acquire() as connection:
        for ask in (get_profile, close_profile):
            with pytest.raises(NotFound):
                await ask(connection, new.customer_id)
        await connection.execute(
            "INSERT INTO erased_customers (customer_id, operation_id) VALUES ($1, 'operation')",
            new.customer_id,
        )
        with pytest.raises(Refused) as met:
            await create_profile(connection, new)
    assert met.value.code == "customer_erased"
