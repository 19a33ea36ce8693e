"""A caller of the API, with the few things that many tests begin with."""

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx

Json = dict[str, Any]


@dataclass(frozen=True)
class Wallet:
    """A customer with money."""

    customer_id: str
    account_id: str


class Api:
    """Calls with a secret."""

    def __init__(self, http: httpx.AsyncClient, secret: str) -> None:
        self.http = http
        self.secret = secret

    def as_key(self, secret: str) -> "Api":
        """The same application, another caller."""
        return Api(self.http, secret)

    def headers(self, key: str | None = None) -> dict[str, str]:
        headers = {"Authorization": f"Bearer {self.secret}"}
        return headers | ({"Idempotency-Key": key} if key is not None else {})

    async def get(self, path: str, **query: object) -> httpx.Response:
        params = {name: str(value) for name, value in query.items()}
        return await self.http.get(path, params=params, headers=self.headers())

    async def post(self, path: str, body: object, key: str | None = None) -> httpx.Response:
        return await self.http.post(path, json=body, headers=self.headers(key))

    async def put(self, path: str, body: object) -> httpx.Response:
        return await self.http.put(path, json=body, headers=self.headers())

    async def new_wallet(self, amount_minor: int = 0, currency: str = "USD") -> Wallet:
        """Open an account for a new customer, with money on it."""
        customer_id = f"cus_{uuid4().hex[:12]}"
        body = {"customer_id": customer_id, "currency": currency, "name": "Wallet"}
        account = created(await self.post("/v1/accounts", body))
        if amount_minor:
            deposit = {"amount_minor": amount_minor, "currency": currency, "reference": "first"}
            created(await self.post(f"/v1/accounts/{account['id']}/deposits", deposit))
        return Wallet(customer_id, account["id"])

    async def pay(self, wallet: Wallet, **changes: object) -> httpx.Response:
        """Make a payment of 10.00 USD, unless told otherwise."""
        key = changes.pop("key", None)
        assert key is None or isinstance(key, str)
        return await self.post("/v1/payments", payment_body(wallet) | changes, key)

    async def payments_of(self, wallet: Wallet) -> list[Json]:
        answer = await self.get("/v1/payments", customer_id=wallet.customer_id, limit=100)
        data: list[Json] = ok(answer)["data"]
        return data


def payment_body(wallet: Wallet) -> Json:
    return {
        "customer_id": wallet.customer_id,
        "account_id": wallet.account_id,
        "amount_minor": 1000,
        "currency": "USD",
        "payment_method": "pm_card_visa",
        "payee": {"name": "Ada", "email": "ada@example.com"},
    }


def ok(response: httpx.Response) -> Json:
    """The body of an answer that has to be 200."""
    assert response.status_code == 200, response.text
    body: Json = response.json()
    return body


def created(response: httpx.Response) -> Json:
    """The body of an answer that has to be 201."""
    assert response.status_code == 201, response.text
    body: Json = response.json()
    return body


def refused(response: httpx.Response, status: int, code: str, param: str | None = None) -> str:
    """The message of an error that has to be this one."""
    assert response.status_code == status, response.text
    error = response.json()["error"]
    assert set(error) == {"type", "code", "message", "param", "request_id"}
    assert (error["code"], error["param"]) == (code, param), error
    assert error["request_id"] == response.headers["X-Request-Id"]
    message: str = error["message"]
    return message
