"""Payer and payee are told; a message that fails harms nothing and is not lost (BR-7, FR-7)."""

from typing import Any
from uuid import uuid4

import httpx

from perdure.operations.model import Status
from tests.polls import eventually

from .town import Town


async def messages(server: httpx.AsyncClient, to: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await server.get("/v1/messages", params={"to": to})).json()[
        "data"
    ]
    return [message for message in found if message["to"] == to]


async def until_states(town: Town, payment_id: str, states: set[str]) -> dict[str, str]:
    """Wait until every message of a payment is in one of these states."""
    found: dict[str, str] = {}

    async def all_are() -> dict[str, str]:
        rows = await town.platform.pool.fetch(
            "SELECT audience || ':' || channel AS who, state FROM notifications"
            " WHERE operation_id = $1",
            payment_id,
        )
        found.update((row["who"], row["state"]) for row in rows)
        return found if set(found.values()) <= states else {}

    return await eventually(all_are, why_not=lambda: found)


def address(local: str = "ada") -> str:
    return f"{local}@{uuid4().hex[:8]}.example"


async def test_both_are_told_of_a_success_by_mail_and_sms_br7_e3(town: Town) -> None:
    payer, payee, phone = address(), address(), "+33" + str(uuid4().int)[:9]
    payment_id = await town.pay(
        await town.account(),
        payer={"email": payer, "phone": phone},
        payee={"name": "Grace", "email": payee},
    )
    assert (await town.end_of(payment_id)).status == Status.SUCCEEDED
    states = await until_states(town, payment_id, {"sent"})
    assert set(states) == {"payer:email", "payer:sms", "payee:email"}
    [to_payer] = await messages(town.mail, payer)
    assert to_payer["subject"] == "You paid 10.00 USD"
    assert len(await messages(town.mail, payee)) == 1
    assert len(await messages(town.sms, phone)) == 1


async def test_the_payer_is_told_why_a_payment_failed_and_the_payee_nothing_br7(
    town: Town,
) -> None:
    payer, payee = address(), address()
    payment_id = await town.pay(
        await town.account(),
        token="tok_declined",
        payer={"email": payer},
        payee={"email": payee},
    )
    assert (await town.end_of(payment_id)).status == Status.FAILED
    await until_states(town, payment_id, {"sent"})
    [mail] = await messages(town.mail, payer)
    assert "failed" in mail["subject"]
    assert await messages(town.mail, payee) == []


async def test_a_mail_server_in_trouble_gets_the_mail_once_it_can_br7(town: Town) -> None:
    trouble = address("tempfail")
    payment_id = await town.pay(await town.account(), payer={"email": trouble})
    assert (await town.end_of(payment_id)).status == Status.SUCCEEDED
    await until_states(town, payment_id, {"sent"})
    assert len(await messages(town.mail, trouble)) == 1


async def test_a_mail_whose_receipt_was_lost_is_not_sent_twice_br7_p12(town: Town) -> None:
    cut = address("cut")
    payment_id = await town.pay(await town.account(), payer={"email": cut})
    await town.end_of(payment_id)
    await until_states(town, payment_id, {"sent"})
    assert len(await messages(town.mail, cut)) == 1


async def test_an_address_that_does_not_exist_harms_nothing_and_shows_br7(town: Town) -> None:
    nobody = address("reject")
    payment_id = await town.pay(await town.account(), payer={"email": nobody})
    assert (await town.end_of(payment_id)).status == Status.SUCCEEDED
    assert await until_states(town, payment_id, {"rejected"}) == {"payer:email": "rejected"}
    assert "notify_payer_email:failed" in await town.steps(payment_id)
