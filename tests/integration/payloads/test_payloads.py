"""Payloads are encrypted with their customer's key, which is made once, rotated and deleted."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import uuid4

import pytest
from pydantic import SecretStr
from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import Failure
from temporalio.converter import (
    ActivitySerializationContext,
    DataConverter,
    WorkflowSerializationContext,
)
from temporalio.exceptions import ApplicationError

from perdure.core.errors import PayloadUnreadable
from perdure.core.ids import new_id
from perdure.durable.payloads.codec import encrypting_converter
from perdure.durable.payloads.converter import data_converter
from perdure.durable.payloads.encrypted import KEY_ID
from perdure.durable.payloads.keys import PLATFORM, DataKeys, owned_by_customer, owned_by_operation
from perdure.durable.payloads.ring import KeyRing
from perdure.durable.payloads.rotation import masters_in_use, rewrap
from perdure.durable.payloads.settings import PayloadSettings, new_master
from perdure.operations import store
from perdure.operations.model import HOUSE, NewOperation
from perdure.storage.pool import Pool, open_pool, transaction
from tests.servers import migrated_database

OLD, NEW = new_master("2025"), new_master("2026")
SECRET = "Ada Lovelace"


@pytest.fixture(scope="module")
async def apart(postgres_url: str) -> AsyncIterator[Pool]:
    """A database of these tests' own: a master key is one for all keys of a database."""
    async with migrated_database(postgres_url) as url, open_pool(url, size=5) as pool:
        yield pool


def ring(*keys: str) -> KeyRing:
    return KeyRing([SecretStr(key) for key in keys])


def converter(pool: Pool, *keys: str, **options: Any) -> DataConverter:
    return encrypting_converter(DataKeys(pool, ring(*(keys or (OLD, NEW))), **options))


def of_workflow(found: DataConverter, workflow_id: str) -> DataConverter:
    return found.with_context(WorkflowSerializationContext("default", workflow_id))


def of_activity(found: DataConverter, workflow_id: str) -> DataConverter:
    return found.with_context(
        ActivitySerializationContext("default", "1", "pay", "queue", workflow_id, "Pay", False)
    )


async def operation_of(pool: Pool, customer_id: str) -> str:
    operation_id = new_id("tfr")
    new = NewOperation(operation_id, "transfer", customer_id, {"request": {}})
    async with transaction(pool) as connection:
        await store.accept(connection, new, actor="test")
    return operation_id


async def owner_of(pool: Pool, payloads: Sequence[Payload]) -> str:
    ids = {payload.metadata[KEY_ID].decode() for payload in payloads}
    rows = await pool.fetch("SELECT owner FROM payload_keys WHERE id = ANY($1)", [*ids])
    (owner,) = (row["owner"] for row in rows)
    return str(owner)


async def test_whose_key_encrypts(apart: Pool) -> None:
    ada = f"cus_{uuid4().hex[:8]}"
    first, second = await operation_of(apart, ada), await operation_of(apart, ada)
    shared = await operation_of(apart, HOUSE)
    found = converter(apart)
    for workflow_id, owner in (
        (first, owned_by_customer(ada)),
        (second, owned_by_customer(ada)),
        (f"{first}-reversal", owned_by_customer(ada)),
        (shared, owned_by_operation(shared)),
        ("lanes-transfer-0", PLATFORM),
        (f"{new_id('ntf')}-delivery", PLATFORM),
        (new_id("tfr"), PLATFORM),
    ):
        for in_context in (of_workflow(found, workflow_id), of_activity(found, workflow_id)):
            payloads = await in_context.encode([{"name": SECRET}, None])
            assert all(SECRET.encode() not in one.SerializeToString() for one in payloads)
            assert await owner_of(apart, payloads) == owner, workflow_id
            # Who reads it need not know whose it is.
            assert await converter(apart).decode(payloads) == [{"name": SECRET}, None]
    assert await owner_of(apart, await found.encode([1])) == PLATFORM


async def test_failures_tell_nothing_in_the_clear(apart: Pool) -> None:
    found = of_workflow(converter(apart), await operation_of(apart, "cus_failed"))
    error = ApplicationError(f"{SECRET} has no account.", {"name": SECRET}, type="Refused")
    failure = Failure()
    await found.encode_failure(error, failure)
    assert SECRET.encode() not in failure.SerializeToString()
    assert failure.application_failure_info.type == "Refused"
    read = await found.decode_failure(failure)
    assert isinstance(read, ApplicationError)
    assert (read.message, read.details) == (error.message, error.details)


async def test_a_key_is_made_once_by_whoever_is_first(apart: Pool) -> None:
    operation_id = await operation_of(apart, "cus_first")
    found = [of_workflow(converter(apart), operation_id) for _ in range(4)]
    payloads = await asyncio.gather(*(one.encode([1]) for one in found))
    assert await owner_of(apart, [one for many in payloads for one in many]) == "customer:cus_first"


async def test_what_is_not_encrypted_is_read_as_ever_and_what_is_needs_a_key(apart: Pool) -> None:
    clear = await DataConverter.default.encode([SECRET])
    assert await converter(apart).decode(clear) == [SECRET]
    keyless = data_converter(PayloadSettings(), apart)
    assert await keyless.encode([SECRET]) == clear
    assert await keyless.decode(clear) == [SECRET]
    encrypted = await converter(apart).encode([SECRET])
    with pytest.raises(PayloadUnreadable, match="PERDURE_PAYLOAD_KEYS is not set"):
        await keyless.decode(encrypted)


async def test_a_master_key_is_given_up_in_steps_and_nothing_is_encrypted_anew(apart: Pool) -> None:
    operation_id = await operation_of(apart, "cus_rotated")
    payloads = await of_workflow(converter(apart, OLD), operation_id).encode([SECRET])
    # Known to all first, then written with.
    assert await converter(apart, OLD, NEW).decode(payloads) == [SECRET]
    with pytest.raises(PayloadUnreadable, match="2025 is not among PERDURE_PAYLOAD_KEYS"):
        await converter(apart, NEW).decode(payloads)
    assert "2025" in await masters_in_use(apart)
    assert await rewrap(apart, ring(NEW, OLD)) > 0
    assert await masters_in_use(apart) == ["2026"]
    assert await rewrap(apart, ring(NEW, OLD)) == 0
    assert await converter(apart, NEW).decode(payloads) == [SECRET]


async def test_an_erased_key_is_gone_within_the_time_it_is_known(apart: Pool) -> None:
    now_s = [0.0]
    operation_id = await operation_of(apart, "cus_erased")
    found = of_workflow(
        converter(apart, NEW, OLD, known_s=60, clock=lambda: now_s[0]), operation_id
    )
    payloads = await found.encode([SECRET])
    await apart.execute(
        "UPDATE payload_keys SET retired_at = now(), wrapped = NULL"
        " WHERE owner = 'customer:cus_erased'"
    )
    now_s[0] = 60.0
    assert await found.decode(payloads) == [SECRET]
    now_s[0] = 60.1
    with pytest.raises(PayloadUnreadable, match="was deleted") as met:
        await found.decode(payloads)
    assert met.value.code == "payload_key_erased"
    # What is still to be done for them has nothing of theirs in it.
    assert await owner_of(apart, await found.encode(["gch_1"])) == PLATFORM


@pytest.mark.parametrize(
    ("changed", "code"), [("key", "payload_key_unknown"), ("data", "payload_changed")]
)
async def test_what_is_anothers_or_was_changed_is_said_in_a_line(
    apart: Pool, changed: str, code: str
) -> None:
    found = converter(apart, NEW, OLD)
    (payload,) = await found.encode([SECRET])
    if changed == "key":
        payload.metadata[KEY_ID] = b"pky_of_another_database"
    else:
        payload.data = payload.data[:-1] + bytes([payload.data[-1] ^ 1])
    with pytest.raises(PayloadUnreadable) as met:
        await found.decode([payload])
    assert met.value.code == code
    assert "\n" not in met.value.message
