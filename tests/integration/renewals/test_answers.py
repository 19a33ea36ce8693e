"""A registry that answers something else than it was asked: no success, and a way out."""

import pytest

from perdure.operations.model import Operation
from tests.integration.payments.town import Town

from .renewals import (
    PRICE_MINOR,
    domain,
    ended,
    own_domain,
    registry_misbehaves,
    registry_of,
    renew,
    request_for,
    standings,
)

LIES = {
    "overbilled": ("report_mismatch", "bills 149900 USD (minor units)"),
    "misbilled": ("report_mismatch", "bills 1499 JPY (minor units)"),
    "undecided": ("provider_status_unknown", "status 'requires_action', which is none of"),
    "misfiled": ("provider_disagrees", "-other' instead of"),
}
FAULTS = ["in_use", "other_amount", "other_currency", "other_reference", "unknown_status"]


async def cancelled(town: Town, operation_id: str) -> Operation:
    await town.platform.operations.cancel(operation_id, actor="ada", reason="Not so.")
    return await town.end_of(operation_id)


@pytest.mark.parametrize("bulk", [False, True])
@pytest.mark.parametrize("word", LIES)
async def test_a_report_that_differs_parks_the_renewal_with_both_values(
    town: Town, word: str, bulk: bool
) -> None:
    account = await town.account(funds_minor=5_000)
    name = await own_domain(town, account, word)
    before = await domain(town, name)
    found = await renew(town, request_for(account, name), bulk=bulk)
    operation = await town.until(found, {"needs_attention", "succeeded", "failed"})
    code, shown = LIES[word]
    assert ended(operation) == ("needs_attention", code)
    assert operation.failure is not None
    assert shown in operation.failure.message
    assert await standings(town, name) == ["requires_action" if word == "undecided" else "renewed"]
    balance = await town.balance(account)
    assert balance.available_minor == 5_000 - PRICE_MINOR["info"]
    if word != "misfiled":
        assert ended(await cancelled(town, found)) == ("cancelled", "cancelled")
        assert await standings(town, name) == ["undone"]
        assert (await domain(town, name)).expires_on == before.expires_on
        assert (await town.balance(account)).available_minor == 5_000


@pytest.mark.parametrize("kind", FAULTS)
async def test_a_registry_whose_books_are_right_is_asked_and_the_renewal_succeeds(
    town: Town, kind: str
) -> None:
    account = await town.account(funds_minor=5_000)
    name = await own_domain(town, account)
    async with registry_misbehaves(registry_of(town, name), kind):
        found = await renew(town, request_for(account, name))
        assert ended(await town.end_of(found)) == ("succeeded", None)
    assert await standings(town, name) == ["renewed"]
