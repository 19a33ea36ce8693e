"""A key's share of the requests."""

from datetime import UTC, datetime

import pytest

from perdure.api.keys import ApiKey
from perdure.api.scopes import ADMIN
from perdure.api.shares import RequestShares
from perdure.core.errors import ProviderRateLimited

AT = datetime(2026, 11, 27, tzinfo=UTC)


def key(customer_id: str | None) -> ApiKey:
    return ApiKey(
        "key_1", "shop", "perdure_abcd", frozenset({ADMIN}), None, customer_id, AT, None, None
    )


class Caller:
    """Sends as much as it may."""

    def __init__(self, digest: bytes, customer_id: str | None) -> None:
        self.digest, self.key = digest, key(customer_id)

    def send(self, shares: RequestShares) -> int:
        for sent in range(1000):
            try:
                shares.check(self.digest)
            except ProviderRateLimited:
                return sent
            shares.take(self.digest, self.key)
        return 1000


@pytest.mark.parametrize(("customer_id", "per_s"), [("cus_1", 8), (None, 64)])
def test_a_key_has_a_second_at_once_and_then_its_rate(customer_id: str | None, per_s: int) -> None:
    now = 1000.0
    shares = RequestShares(customers_per_s=8, house_per_s=64, clock=lambda: now)
    caller, other = Caller(b"1", customer_id), Caller(b"2", customer_id)
    first = caller.send(shares)
    assert per_s <= first <= per_s + 1
    assert caller.send(shares) == 0
    with pytest.raises(ProviderRateLimited) as refusal:
        shares.check(caller.digest)
    assert refusal.value.code == "too_many_requests"
    assert 0 < (refusal.value.retry_after_s or 0) <= 1
    assert other.send(shares) == first
    now += 0.5
    assert caller.send(shares) == per_s // 2
    now += 100
    assert caller.send(shares) == first
