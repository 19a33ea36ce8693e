"""The demo's act about money: it is paid in, and customers send it one another."""

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from perdure.cli.api_client import ApiClient, part
from perdure.fintech import figures
from perdure.fintech.people import Applicant, Sent, Wallet, iban_of, plan_transfers
from perdure.fintech.scene import Scene
from perdure.fintech.statements import EUROS, Line

_SPARE_MINOR: Final = 100_000
"""What is left of what each account is paid in at first, once all is sent."""


@dataclass(frozen=True, slots=True)
class PaidIn:
    """What arrived at the bank, first and from one another."""

    deposits: list[Line]
    received: list[Line]


async def find_wallets(scene: Scene) -> list[Wallet]:
    """Return all customers' accounts."""

    def find(client: ApiClient, one: Applicant) -> list[Wallet]:
        view = client.get(f"/v1/onboardings/{part(scene.onboardings[one.customer_id])}")
        return [
            Wallet(
                one.customer_id,
                account_id,
                currency,
                iban_of(1 + 2 * one.number + (currency == EUROS)),
            )
            for currency, account_id in zip(view["currencies"], view["account_ids"], strict=True)
        ]

    return [wallet for found in await scene.each(scene.customers, find) for wallet in found]


async def exchange(scene: Scene, wallets: list[Wallet]) -> PaidIn:
    """Have customers send one another money; returns what arrived at the bank."""
    result = scene.result
    planned = list(plan_transfers(result.transfers, wallets))
    needed: Counter[Wallet] = Counter()
    for one in planned:
        needed[one.sender] += one.amount_minor
    deposits = await _pay_in(
        scene,
        (
            ("Deposit", f"OPEN-{place}", wallet, needed[wallet] + _SPARE_MINOR)
            for place, wallet in enumerate(wallets)
        ),
    )
    scene.tell(f"They send one another money: {len(planned):,} transfers, some to closed accounts.")

    def send(client: ApiClient, one: Sent) -> str:
        return str(client.post("/v1/transfers", one.body)["id"])

    began = time.monotonic()
    await scene.each(planned, send)
    await scene.until_ended("transfer", "transfers")
    result.sent_s = time.monotonic() - began
    result.sent = await figures.ended(scene.pool, "transfer")
    closed = sum(one.receiver is None for one in planned)
    should = Counter({"succeeded": len(planned) - closed, "account_closed": closed})
    result.compare("Transfers", +should, result.sent)
    received = await _pay_in(
        scene,
        (
            ("Incoming payment", f"IN-{place}", one.receiver, one.amount_minor)
            for place, one in enumerate(planned)
            if one.receiver is not None
        ),
    )
    scene.tell(
        f"{result.sent['succeeded']:,} arrived, {result.sent['account_closed']} came back, in"
        f" {result.sent_s:.1f} s."
    )
    return PaidIn(deposits, received)


async def _pay_in(scene: Scene, paid: Iterable[tuple[str, str, Wallet, int]]) -> list[Line]:
    """Record what arrived for accounts; returns it as the bank has it."""

    def record(client: ApiClient, one: tuple[str, str, Wallet, int]) -> Line:
        text, reference, wallet, amount_minor = one
        view = client.post(
            f"/v1/accounts/{part(wallet.account_id)}/deposits",
            {"amount_minor": amount_minor, "currency": wallet.currency, "reference": reference},
        )
        booked_on = datetime.fromisoformat(view["created_at"]).astimezone(UTC).date()
        return Line(reference, wallet.currency, amount_minor, booked_on, text)

    return await scene.each(paid, record)
