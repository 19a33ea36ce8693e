"""The console's pages, without a browser: who gets in, what is found, shown and done."""

import asyncio
import csv
import io
from contextlib import aclosing
from uuid import uuid4

import pytest
from fastapi import FastAPI

from perdure.api.row_stream import RowStream, Watched
from perdure.api.scopes import Role
from perdure.console.filters import Filters
from perdure.console.shown import HIDDEN
from perdure.operations import store
from perdure.operations.model import Failure, Status
from perdure.storage.pool import Pool, transaction
from tests.integration.api.api_client import Api, created
from tests.integration.api.test_operations import move

from .browsing import Browser, forms_of, words_of
from .conftest import SignIn

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"


async def new_payment(api: Api, **changes: object) -> str:
    payment_id: str = created(await api.pay(await api.new_wallet(5000), **changes))["id"]
    return payment_id


def page_of(operation_id: str, action: str | None = None) -> str:
    return f"/console/operations/{operation_id}" + (f"/{action}" if action else "")


async def test_every_answer_keeps_the_browser_to_our_own(browser: Browser) -> None:
    for path in ("/console/operations", "/console/none", "/console/sign-in"):
        headers = (await browser.get(path)).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["cache-control"] == "no-store"
        assert headers["x-frame-options"] == "DENY"
    page = await browser.get("/console/operations")
    assert "<style" not in page.text
    assert " style=" not in page.text
    for line in page.text.splitlines():
        assert ("<script" in line) <= ("src=" in line)
    assert (await browser.get("/console/static/console.css")).status_code == 200
    assert (await browser.get("/console/static/..%2Frendering.py")).status_code == 404


async def test_what_others_wrote_is_text(api: Api, browser: Browser) -> None:
    operation_id = await new_payment(
        api,
        description=HOSTILE,
        metadata={"note<b>": HOSTILE},
        payee={"name": HOSTILE, "email": "ada@example.com"},
    )
    await browser.fill(page_of(operation_id, "cancel"), reason=HOSTILE)
    pages = [
        await browser.get(page_of(operation_id)),
        await browser.get("/console/operations", failure_code=HOSTILE),
        await browser.get("/console/operations", customer_id=HOSTILE),
        await browser.get("/console/operations", q=HOSTILE),
        await browser.get(page_of(operation_id, "park"), reason=HOSTILE),
    ]
    for page in pages:
        assert "<script>alert" not in page.text
        assert "<img" not in page.text
        assert "note<b>" not in page.text
    assert "<script>alert(1)" in words_of(pages[3])


async def test_who_somebody_is_is_not_shown(api: Api, browser: Browser) -> None:
    operation_id = await new_payment(
        api,
        description="for Augusta Lovelace",
        metadata={"who": "Augusta Lovelace again"},
        payee={"name": "Augusta Lovelace", "email": "augusta@example.com"},
    )
    page = await browser.get(page_of(operation_id))
    assert HIDDEN in page.text
    assert "Lovelace" not in page.text
    assert "augusta@" not in page.text


async def test_operations_are_found_by_what_the_address_says(
    api: Api, browser: Browser, pool: Pool
) -> None:
    wallet = await api.new_wallet(50_000)
    reference = f"order-{uuid4().hex[:8]}"
    first = created(await api.pay(wallet, reference=reference))["id"]
    others = [
        created(await api.pay(wallet, metadata={"run": wallet.customer_id}))["id"] for _ in "ab"
    ]
    await move(pool, others[0], Status.NEEDS_ATTENTION, "parked")

    async def found(**query: str) -> list[str]:
        page = await browser.get("/console/operations", customer_id=wallet.customer_id, **query)
        assert page.status_code == 200, page.text
        return [one for one in (others[1], others[0], first) if f'id="{one}"' in page.text]

    assert await found() == [others[1], others[0], first]
    assert await found(reference=reference) == [first]
    assert await found(status="needs_attention") == [others[0]]
    assert await found(status="in_flight", kind="payment") == [others[1], others[0], first]
    assert await found(failure_code="stuck") == [others[0]]
    assert await found(metadata=f"run={wallet.customer_id}") == others[::-1]
    assert await found(created_after="today", created_before="2100-01-01") != []
    assert await found(created_before="2020-01-01") == []
    assert await found(kind="bulk") == []
    # What a form sends of what was left empty is not in the address that is shown.
    answer = await browser.http.get("/console/operations?status=failed&kind=&reference=")
    assert answer.headers["location"] == "/console/operations?status=failed"
    # By a name that somebody knows.
    for sought in (first, reference):
        page = await browser.get("/console/operations", q=sought)
        assert first in page.text
    assert first in (await browser.get("/console/operations", q=wallet.customer_id)).text
    assert "Nothing is called" in words_of(await browser.get("/console/operations", q="nobody"))


async def test_a_filter_that_makes_no_sense_is_explained_and_kept(browser: Browser) -> None:
    page = await browser.get(
        "/console/operations", status="lost", created_after="soon", metadata="none", kind="payment"
    )
    assert page.status_code == 400
    told = words_of(page)
    assert "There is no status 'lost'" in told
    assert "Write a day" in told
    assert 'value="soon"' in page.text
    assert (await browser.get("/console/operations", starting_after="x")).status_code == 400


async def test_a_list_is_read_in_pages_and_whole_as_csv(
    api: Api, browser: Browser, pool: Pool
) -> None:
    wallet = await api.new_wallet(5000)
    one = created(await api.pay(wallet, reference="=1+1"))["id"]
    # Fifty more of this customer, as the list's page has room for fifty.
    await pool.execute(
        "INSERT INTO operations (id, kind, status, customer_id, input, created_at)"
        " SELECT 'pay_' || left(right(id, 26), 22) || lpad(n::text, 4, '0'), kind, status,"
        " customer_id, input, created_at FROM operations, generate_series(1, 60) AS n"
        " WHERE id = $1",
        one,
    )
    page = await browser.get("/console/operations", customer_id=wallet.customer_id)
    assert "61 found" in words_of(page)
    assert page.text.count('<tr id="pay_') == 50
    older = page.text.split('rel="next" href="')[1].split('"')[0].replace("&amp;", "&")
    rest = await browser.get(older)
    assert rest.text.count('<tr id="pay_') == 11
    assert 'rel="prev"' in rest.text
    newer = rest.text.split('rel="prev" href="')[1].split('"')[0].replace("&amp;", "&")
    assert (await browser.get(newer)).text.count('<tr id="pay_') == 50
    answer = await browser.get("/console/operations.csv", customer_id=wallet.customer_id)
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert len(rows) == 61
    written = next(row for row in rows if row["id"] == one)
    # No spreadsheet takes what a caller wrote for a formula.
    assert (written["reference"], written["amount_minor"]) == ("'=1+1", "1000")


async def test_an_operation_tells_its_story(api: Api, browser: Browser, pool: Pool) -> None:
    operation_id = await new_payment(api)
    await move(pool, operation_id, Status.NEEDS_ATTENTION, "parked")
    told = words_of(await browser.get(page_of(operation_id)))
    assert "It was taken in" in told
    assert "It stopped, for somebody to look at it" in told
    assert "10.00 USD" in told
    assert "only what has succeeded is refunded" in told
    assert "Where it stands now: needs attention." in told
    assert (await browser.get(page_of("pay_01h455vb4pex5vsknk084sn02q"))).status_code == 404


async def test_an_action_asks_why_and_is_done_once(api: Api, browser: Browser, pool: Pool) -> None:
    operation_id = await new_payment(api)
    path = page_of(operation_id, "park")
    page = await browser.get(path)
    fields = forms_of(page)[path]
    answer = await browser.post(path, fields | {"reason": " "})
    assert (answer.status_code, "reason" in words_of(answer)) == (400, True)
    # A double click.
    both = await asyncio.gather(*(browser.post(path, fields | {"reason": "held"}) for _ in "ab"))
    assert [answer.status_code for answer in both] == [303, 303]
    again = await browser.post(path, fields | {"reason": "held"})
    assert again.status_code == 303
    parked = await pool.fetchval(
        "SELECT count(*) FROM operation_trail WHERE operation_id = $1 AND action = 'parked'",
        operation_id,
    )
    assert parked == 1
    shown = words_of(await browser.get(again.headers["location"]))
    assert "Asked to park. It is needs attention now." in shown
    assert "held" in shown


async def test_what_cannot_be_done_says_why_and_does_nothing(
    api: Api, browser: Browser, pool: Pool
) -> None:
    operation_id = await new_payment(api)
    path = page_of(operation_id, "cancel")
    stale = forms_of(await browser.get(path))[path]
    await move(pool, operation_id, Status.SUCCEEDED, "settled")
    page = await browser.get(page_of(operation_id))
    assert f'href="{path}"' not in page.text
    assert "It has already succeeded" in words_of(page)
    answer = await browser.post(path, stale | {"reason": "asked by phone"})
    assert answer.status_code == 409
    assert "already succeeded" in words_of(answer)
    # Nothing typed is lost.
    assert 'value="asked by phone"' in answer.text


async def test_what_was_asked_for_is_corrected(api: Api, browser: Browser, pool: Pool) -> None:
    operation_id = await new_payment(api)
    await browser.fill(page_of(operation_id, "park"), reason="wrong address")
    path = page_of(operation_id, "correct")
    answer = await browser.fill(
        path, reason="told by phone", **{"field.payee.email": "b@example.com"}
    )
    assert answer.status_code == 303, answer.text
    asked = await pool.fetchval(
        "SELECT input->'request' FROM operations WHERE id = $1", operation_id
    )
    assert asked["payee"] == {**asked["payee"], "name": "Ada", "email": "b@example.com"}
    assert "b@example.com" not in (await browser.get(page_of(operation_id))).text


async def test_two_operators_race_and_one_wins(
    api: Api, browser: Browser, signed_in: SignIn, pool: Pool
) -> None:
    operation_id = await new_payment(api)
    path = page_of(operation_id, "park")
    other = await signed_in(Role.OPERATOR)
    forms = [forms_of(await one.get(path))[path] for one in (browser, other)]
    answers = await asyncio.gather(
        browser.post(path, forms[0] | {"reason": "mine"}),
        other.post(path, forms[1] | {"reason": "mine too"}),
    )
    assert sorted(answer.status_code for answer in answers) == [303, 409]
    lost = next(answer for answer in answers if answer.status_code == 409)
    assert "has parked it already" in words_of(lost)


async def test_a_viewer_only_looks(api: Api, signed_in: SignIn) -> None:
    operation_id = await new_payment(api)
    viewer = await signed_in(Role.VIEWER)
    page = await viewer.get(page_of(operation_id))
    assert "may only look" in words_of(page)
    assert f'href="{page_of(operation_id, "cancel")}"' not in page.text
    path = page_of(operation_id, "cancel")
    assert (await viewer.get(path)).status_code == 403
    token = forms_of(page)["/console/sign-out"]
    answer = await viewer.post(path, token | {"reason": "x", "idempotency_key": "k"})
    assert answer.status_code == 403


@pytest.mark.parametrize(
    ("token", "headers"),
    [
        ("", {}),
        ("0" * 64, {}),
        (None, {"Origin": "https://elsewhere"}),
        (None, {"Sec-Fetch-Site": "cross-site"}),
    ],
)
async def test_a_form_of_another_page_does_nothing(
    api: Api, browser: Browser, pool: Pool, token: str | None, headers: dict[str, str]
) -> None:
    operation_id = await new_payment(api)
    path = page_of(operation_id, "cancel")
    fields = forms_of(await browser.get(path))[path] | {"reason": "forged"}
    if token is not None:
        fields["form_token"] = token
    answer = await browser.post(path, fields, headers=headers)
    assert answer.status_code == 403
    asked = await pool.fetchval("SELECT cancel_request FROM operations WHERE id = $1", operation_id)
    assert asked is None


async def test_a_session_that_ends_in_a_form_loses_nothing_typed(
    api: Api, browser: Browser, pool: Pool, admin_secret: str
) -> None:
    operation_id = await new_payment(api)
    path = page_of(operation_id, "cancel")
    fields = forms_of(await browser.get(path))[path] | {"reason": "they called, and asked"}
    await pool.execute("UPDATE console_sessions SET expires_at = now()")
    answer = await browser.post(path, fields)
    assert answer.status_code == 401
    kept = forms_of(answer)["/console/sign-in"]
    assert kept["typed.reason"] == fields["reason"]
    assert "form_token" not in str(kept)
    answer = await browser.post("/console/sign-in", kept | {"key": admin_secret})
    page = await browser.get(answer.headers["location"])
    assert "they called, and asked" in page.text
    again = forms_of(page)[path]
    assert again["idempotency_key"] == fields["idempotency_key"]
    assert (await browser.post(path, again | {"reason": fields["reason"]})).status_code == 303


async def test_a_database_that_is_away_is_told_and_what_was_typed_kept(
    api: Api, browser: Browser, app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    operation_id = await new_payment(api)
    path = page_of(operation_id, "cancel")
    fields = forms_of(await browser.get(path))[path] | {"reason": "asked by phone"}

    async def away(*_: object, **__: object) -> None:
        raise ConnectionRefusedError("nobody there")

    with monkeypatch.context() as patch:
        patch.setattr("perdure.console.viewers.key_of_session", away)
        answer = await browser.post(path, fields)
    assert answer.status_code == 503
    assert "asked by phone" in words_of(answer)
    assert "Retry-After" in answer.headers


async def test_what_went_wrong_is_counted_in_groups_with_its_money(
    api: Api, browser: Browser, pool: Pool
) -> None:
    wallet = await api.new_wallet(50_000)
    code = f"stuck_{uuid4().hex[:8]}"
    for _ in range(3):
        operation_id = created(await api.pay(wallet))["id"]
        async with transaction(pool) as connection:
            operation = await store.lock(connection, operation_id)
            failure = Failure(code, "It is stuck.", step="charge")
            await store.move(
                connection, operation, Status.NEEDS_ATTENTION, action="parked", failure=failure
            )
    told = words_of(await browser.get("/console/errors", lately="15m"))
    assert f"{code} charge payment ! needs attention 3 30.00 USD" in told
    page = await browser.get("/console/attention")
    assert code in page.text
    assert "What has not ended" in words_of(page)
    link = page.text.split(f">{code}</a>")[0].rsplit('href="', 1)[1].split('"')[0]
    shown = await browser.get(link.replace("&amp;", "&"))
    assert "3 found" in words_of(shown)


async def test_a_providers_limit_is_set_with_a_reason_by_who_may(
    browser: Browser, signed_in: SignIn, pool: Pool
) -> None:
    page = await browser.get("/console/providers")
    assert "gateway" in page.text
    assert (await browser.get("/console/providers/gateway")).status_code == 403
    approver = await signed_in(Role.APPROVER)
    path = "/console/providers/gateway"
    answer = await approver.fill(path, per_second="many", reason="flood")
    assert (answer.status_code, 'value="many"' in answer.text) == (400, True)
    answer = await approver.fill(path, per_second="2.5", at_once="4", reason="<b>flood</b>")
    assert answer.status_code == 303, answer.text
    page = await approver.get(answer.headers["location"])
    assert "<b>flood" not in page.text
    assert "4 at once, 2.5 per second" in words_of(page)
    assert (await approver.fill(path, per_second="", at_once="", reason="over")).status_code == 303
    assert (await approver.get("/console/providers/nobody")).status_code == 404


async def test_a_page_is_told_what_changes(
    api: Api, browser: Browser, pool: Pool, app: FastAPI
) -> None:
    """What the stream is made of; that a browser takes it is seen with one."""
    wallet = await api.new_wallet(50_000)
    one = created(await api.pay(wallet))["id"]
    page = await browser.get("/console/operations", customer_id=wallet.customer_id)
    assert f"shown={one}" in page.text
    search = Filters.read({"customer_id": wallet.customer_id}).search
    stream: RowStream = app.state.row_stream
    async with aclosing(stream.follow(Watched((one,), search, one))) as looks:
        first = await anext(looks)
        assert ([row.id for row in first.changed], first.newer) == ([one], 0)
        await api.pay(wallet)
        await move(pool, one, Status.NEEDS_ATTENTION, "parked")
        changed = newer = 0
        # Both may come at once, or one look after the other.
        while not (changed and newer):
            look = await anext(looks)
            changed += sum(row.status == Status.NEEDS_ATTENTION for row in look.changed)
            newer = look.newer
        assert (changed, newer) == (1, 1)


async def test_a_stream_of_no_list_is_refused(browser: Browser) -> None:
    assert (await browser.get("/console/live/operations", shown="x'y")).status_code == 400
    path = "/console/live/operations/pay_01h455vb4pex5vsknk084sn02q"
    assert (await browser.get(path)).status_code == 404
