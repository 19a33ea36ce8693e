"""The demo's acts about customers: they are onboarded, link their banks, and one leaves."""

import time
from asyncio import gather
from collections import Counter
from typing import Any, Final

import httpx

from perdure.cli.api_client import ApiClient, ApiError, part
from perdure.core.check_states import CheckState
from perdure.fintech import figures
from perdure.fintech.people import OUTSIDE, Applicant, Outcome, Wallet, shares
from perdure.fintech.scene import Scene

_ACCOUNTS: Final = 2
"""Of each customer at another bank."""
_AT_ONCE_MINOR: Final = 900_000
"""One transfer moves no more."""
_REASON: Final = "The customer asked for it."


async def onboard(scene: Scene) -> None:
    """Have everybody apply, and those show more who are asked for it."""
    result, began = scene.result, time.monotonic()
    scene.tell(
        f"{len(scene.applicants)} people apply. Their identities are checked; who is approved has"
        " accounts in dollars and euros, and is welcomed."
    )

    def apply(client: ApiClient, one: Applicant) -> str:
        return str(client.post("/v1/onboardings", one.body)["id"])

    ids = await scene.each(scene.applicants, apply)
    scene.onboardings = {
        one.customer_id: made for one, made in zip(scene.applicants, ids, strict=True)
    }
    asked = [one for one in scene.customers if one.outcome is Outcome.ASKED]
    await gather(
        scene.until_ended("onboarding", "onboardings"),
        *(_show_more(scene, scene.onboardings[one.customer_id]) for one in asked),
    )
    result.onboarded_s = time.monotonic() - began
    result.outcomes = await figures.outcomes(scene.pool)
    planned = Counter(one.outcome.value for one in scene.applicants)
    result.compare("Applications", planned, result.outcomes)
    told = ", ".join(f"{result.outcomes[one]} {one}" for one in Outcome)
    scene.tell(f"In {result.onboarded_s:.1f} s: {told}.")


async def _show_more(scene: Scene, onboarding_id: str) -> None:
    """Have the verifier ask somebody for more, and be content with it once they know."""
    for stands, decided, wanted in (
        (CheckState.AWAITING_INPUT, CheckState.RESUBMISSION_REQUESTED, ["document_unreadable"]),
        (CheckState.RESUBMISSION_REQUESTED, CheckState.APPROVED, []),
    ):
        await _until_identity(scene, onboarding_id, stands)
        body: dict[str, Any] = {"status": decided.value, "wanted": wanted}
        await scene.control("identity", "POST", f"/control/checks/{onboarding_id}", body)


async def _until_identity(scene: Scene, onboarding_id: str, state: CheckState) -> None:
    async def is_other() -> int:
        operation = await scene.platform.operations.get(onboarding_id)
        identity = (operation.result or {}).get("identity") or {}
        return int(identity.get("status") != state and not operation.is_finished)

    await scene.until_none(is_other)


async def sync(scene: Scene) -> None:
    """Have all customers link their banks, and read what happened there."""
    result = scene.result
    # The token to link with comes after the welcome.
    await scene.until_none(lambda: figures.without_token(scene.pool), "cannot link a bank yet")
    counts = shares(result.transactions, len(scene.customers))
    (aggregator,) = scene.machine.urls_of("aggregator")

    def choose_bank(client: ApiClient, given: tuple[Applicant, int]) -> str:
        onboarding_id = scene.onboardings[given[0].customer_id]
        token = client.get(f"/v1/onboardings/{part(onboarding_id)}")["bank_link_token"]
        made = {"link_token": token, "transactions": given[1], "accounts": _ACCOUNTS}
        answer = httpx.post(f"{aggregator}/control/items", json=made, timeout=60, trust_env=False)
        return str(answer.raise_for_status().json()["public_token"])

    tokens = await scene.each(zip(scene.customers, counts, strict=True), choose_bank)
    scene.tell(f"{len(tokens)} customers link banks that have {sum(counts):,} transactions.")

    def link(client: ApiClient, given: tuple[Applicant, str]) -> str:
        body = {"customer_id": given[0].customer_id, "public_token": given[1]}
        return str(client.post("/v1/bank-items", body)["id"])

    began = time.monotonic()
    ids = await scene.each(zip(scene.customers, tokens, strict=True), link)
    scene.items = {one.customer_id: made for one, made in zip(scene.customers, ids, strict=True)}
    await scene.until_ended("bank_sync", "syncs")
    result.synced_s = time.monotonic() - began
    result.synced = await figures.synced(scene.pool)
    result.compare("Transactions read", result.transactions, result.synced.transactions)
    found = await figures.ended(scene.pool, "bank_sync")
    result.compare("Syncs", Counter({"succeeded": len(ids)}), found)
    scene.tell(
        f"{result.synced.transactions:,} transactions read, categorised and booked in"
        f" {result.synced_s:.1f} s; {result.synced.flagged:,} stand out."
    )


async def erase(scene: Scene, leaving: Applicant, wallets: list[Wallet]) -> None:
    """Have somebody leave: paid out, unlinked, erased."""
    customer_id = leaving.customer_id
    scene.tell(
        f"{customer_id} asks to be forgotten: what is left is paid out, the bank unlinked, the key"
        " deleted that everything personal is encrypted with."
    )

    def pay_out(client: ApiClient, wallet: Wallet) -> None:
        left_minor = client.get(f"/v1/accounts/{part(wallet.account_id)}/balance")[
            "available_minor"
        ]
        while left_minor:
            amount_minor = min(left_minor, _AT_ONCE_MINOR)
            client.post("/v1/transfers", wallet.paying(amount_minor, OUTSIDE))
            left_minor -= amount_minor

    await scene.each([one for one in wallets if one.customer_id == customer_id], pay_out)
    await scene.until_ended("transfer", "transfers")
    await scene.ask(lambda client: client.delete(f"/v1/bank-items/{scene.items[customer_id]}"))

    def ask(client: ApiClient) -> int:
        """Return how much stands in the way: the follow-up is still to come, say."""
        try:
            client.post(f"/v1/customers/{part(customer_id)}/erasure", {"reason": _REASON})
        except ApiError as error:
            if error.code == "operations_open":
                return 1
            raise
        return 0

    await scene.until_none(lambda: scene.ask(ask), "thing is still to come for them")
    await scene.until_ended("erasure")
    found = await figures.ended(scene.pool, "erasure")
    scene.result.compare("Erasures", Counter({"succeeded": 1}), found)
    view = await scene.ask(lambda client: client.get(f"/v1/customers/{part(customer_id)}"))
    scene.result.compare("The erased customer's name", "", view["full_name"])
    left = await figures.mentions(scene.pool, [leaving.full_name, leaving.email])
    scene.result.compare("Rows that name the erased customer", {}, left)
    scene.tell(f"{customer_id} is erased: {sum(left.values())} rows name them.")
