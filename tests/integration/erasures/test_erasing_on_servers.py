"""A customer that was erased: nothing of her is left, in our tables or in what Temporal keeps."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date
from typing import Any, Final

import pytest
from temporalio.client import Client

from perdure.api.keys import create_key
from perdure.capability import books
from perdure.capability.verification import verify
from perdure.core.errors import PayloadUnreadable
from perdure.durable.payloads.encrypted import is_encrypted
from perdure.durable.payloads.settings import new_master
from perdure.profiles.model import Profile
from perdure.profiles.store import create_profile, get_profile
from tests.integration.payments.town import Town, open_town

from .searching import found_in_database, history_of, payloads_in

ADA: Final = Profile(
    "", "Ada Lovelace", "ada.lovelace@example.com", "+442079460123", date(1990, 12, 10), "GB"
)
NO_ADDRESS: Final = {"email": None, "phone": None}
ADA_PARTY: Final = {"name": ADA.full_name, "email": ADA.email, "phone": ADA.phone}
ADA_TEXTS: Final = (
    *("ada lovelace", "ada.lovelace@example.com", "442079460123", "1990-12-10"),
    *("babbage@example.com", "analytical engine"),
)
BABBAGE: Final = {"name": "Charles", "email": "babbage@example.com", "phone": None}
BOB_PARTY: Final = {"name": "Bob Cratchit", "email": "bob.cratchit@example.com", "phone": None}


_MARKER: Final = "marker_recorded_event_attributes"


@pytest.fixture(scope="module")
async def town(
    postgres_url: str, temporal_client: Client, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Town]:
    """A town whose payloads are encrypted."""
    async with open_town(
        postgres_url,
        temporal_client,
        tmp_path_factory.mktemp("town"),
        payload_keys=[new_master("tests")],
        payload_key_cache_s=0.2,
    ) as opened:
        yield opened


async def transfer(
    town: Town,
    account: dict[str, str],
    customer: dict[str, Any],
    description: str,
    destination: str = "dest_ok",
) -> str:
    body = {
        **account,
        "amount_minor": 1_000,
        "destination": destination,
        "customer": customer,
        "description": description,
        "metadata": {"note": f"for {customer['name']}"},
    }
    # Without the key, the same body is another transfer.
    headers = {"Idempotency-Key": f"of {account['account_id']} {destination}"}
    answer = await town.api.post("/v1/transfers", json=body, headers=headers)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def ended(
    town: Town,
    account: dict[str, str],
    customer: dict[str, Any],
    payee: dict[str, Any],
    description: str,
) -> list[str]:
    """Return the operations of a customer, of several kinds and ends, once they have ended."""
    ids = [
        await transfer(town, account, customer, description),
        await transfer(town, account, customer, description, "dest_declined"),
        await town.pay(account, payer=customer, payee=payee, description=description),
        await town.pay(account, token="tok_never_confirmed", payer=customer),
    ]
    reason = {"reason": f"{customer['name']} asked for it by {customer['email']}."}
    answer = await town.api.post(f"/v1/payments/{ids[-1]}/cancel", json=reason)
    assert answer.status_code == 200, answer.text
    for one in ids:
        await town.end_of(one)
    refund = await town.api.post(f"/v1/transfers/{ids[0]}/refund", json=reason)
    assert refund.status_code == 200, refund.text
    refund_id = refund.json()["id"]
    assert (await town.end_of(refund_id)).status == "succeeded"
    return [*ids, refund_id]


async def decoded(town: Town, workflow_id: str) -> list[Any]:
    """Return what a workflow's history says, all of which is encrypted.

    But for what Temporal itself notes of a step that ran where its workflow does: name and times.
    """
    converter = town.platform.client.data_converter
    events = await history_of(town.platform.client, workflow_id)
    of_markers = [event for event in events if event.HasField(_MARKER)]
    clear = [one for event in events for one in payloads_in(event) if not is_encrypted(one)]
    assert clear == [
        one for event in of_markers for one in payloads_in(event) if not is_encrypted(one)
    ]
    encrypted = [one for event in events for one in payloads_in(event) if is_encrypted(one)]
    assert encrypted
    return [await converter.decode([payload]) for payload in encrypted]


async def erase(town: Town, customer_id: str) -> Any:
    body = {"reason": "Ada Lovelace asked for it."}
    return await town.api.post(f"/v1/customers/{customer_id}/erasure", json=body)


async def test_nothing_of_an_erased_customer_is_left_e13(
    town: Town, capsys: pytest.CaptureFixture[str]
) -> None:
    pool = town.platform.pool
    ada, bob = await town.account(funds_minor=6_000), await town.account(funds_minor=6_000)
    async with pool.acquire() as connection:
        await create_profile(connection, replace(ADA, customer_id=ada["customer_id"]))
    _, secret = await create_key(pool, "shop", ["transfers:write"], ada["customer_id"])
    ids = await ended(town, ada, ADA_PARTY, BABBAGE, "An analytical engine")
    his = await ended(town, bob, BOB_PARTY, NO_ADDRESS | {"name": "Tim"}, "A goose")

    for one in ids:
        events = await history_of(town.platform.client, one)
        raw = "".join(str(event) for event in events).lower()
        assert not [text for text in ADA_TEXTS if text in raw]
        assert await decoded(town, one)
    assert await found_in_database(pool, ADA_TEXTS)
    kept = await rows_of(town, his)

    left = await erase(town, ada["customer_id"])
    assert (left.status_code, left.json()["error"]["code"]) == (409, "money_left")
    assert ada["account_id"] in left.json()["error"]["message"]
    await transfer_all(town, ada)
    open_one = await town.pay(bob, token="tok_never_confirmed", payer=BOB_PARTY)
    busy = await erase(town, bob["customer_id"])
    assert (busy.status_code, busy.json()["error"]["code"]) == (409, "operations_open")
    assert open_one in busy.json()["error"]["message"]
    await town.platform.operations.cancel(open_one, actor="tests", reason="Enough.")
    await town.end_of(open_one)

    asked = await erase(town, ada["customer_id"])
    assert asked.status_code == 201, asked.text
    assert (await erase(town, ada["customer_id"])).json()["id"] == asked.json()["id"]
    erasure = await town.end_of(asked.json()["id"])
    assert (erasure.status, erasure.result) == (
        "succeeded",
        {"keys": 1, "histories": "unreadable"},
    )

    for one in ids:
        with pytest.raises(PayloadUnreadable, match="was deleted"):
            await decoded(town, one)
    assert await found_in_database(pool, ADA_TEXTS) == set()
    told = capsys.readouterr()
    assert not [text for text in ADA_TEXTS if text in (told.out + told.err).lower()]

    # Ids, amounts and the ledger stay, and all that is another's.
    assert (await get_profile(pool, ada["customer_id"])).status == "erased"
    assert await rows_of(town, his) == kept
    for one in his:
        assert await decoded(town, one)
    shown = await town.api.get(f"/v1/transfers/{ids[0]}")
    assert (shown.status_code, shown.json()["amount_minor"]) == (200, 1_000)
    assert (await verify(pool, town.books, is_whole=True)).violations == []
    assert await books.violations(pool, town.books) == []

    # What comes afterwards is refused.
    later = await town.api.post(
        "/v1/accounts",
        json={"customer_id": ada["customer_id"], "currency": "USD", "name": "Another"},
    )
    assert (later.status_code, later.json()["error"]["code"]) == (402, "customer_erased")
    body = {**ada, "amount_minor": 1, "destination": "dest_ok"}
    closed = await town.api.post("/v1/transfers", json=body)
    assert (closed.status_code, closed.json()["error"]["code"]) == (402, "account_not_open")
    again = await town.api.post(f"/v1/operations/{ids[1]}/relaunch", json={"reason": "Once more."})
    assert (again.status_code, again.json()["error"]["code"]) == (402, "customer_erased")
    own = {"Authorization": f"Bearer {secret}"}
    revoked = await town.api.post("/v1/transfers", json=body, headers=own)
    assert revoked.json()["error"]["code"] == "revoked_api_key"


async def transfer_all(town: Town, account: dict[str, str]) -> None:
    available = (await town.balance(account)).available_minor
    body = {**account, "amount_minor": available, "destination": "dest_ok"}
    answer = await town.api.post("/v1/transfers", json=body)
    assert (await town.end_of(answer.json()["id"])).status == "succeeded"


async def rows_of(town: Town, operation_ids: list[str]) -> list[str]:
    found = []
    for table, column in (
        ("operations", "id"),
        ("effects", "operation_id"),
        ("operation_trail", "operation_id"),
        ("operation_steps", "operation_id"),
        ("provider_calls", "operation_id"),
        ("provider_callbacks", "operation_id"),
    ):
        rows = await town.platform.pool.fetch(
            f"SELECT {table}::text AS row FROM {table} WHERE {column} = ANY($1) ORDER BY 1",
            operation_ids,
        )
        found += [row["row"] for row in rows]
    return found


async def test_a_customer_of_whom_there_is_nothing_is_not_found(town: Town) -> None:
    answer = await erase(town, "cus_of_nobody")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "customer_not_found")
