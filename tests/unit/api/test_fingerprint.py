"""Two requests have one fingerprint if, and only if, they ask for the same."""

import json

from hypothesis import assume, given
from hypothesis import strategies as st

from perdure.api import idempotency

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)
BODIES = st.dictionaries(st.text(max_size=5), VALUES, max_size=4)


def fingerprint(method: str, path: str, body: object) -> bytes:
    return idempotency.fingerprint(method, path, json.dumps(body).encode())


@given(BODIES, st.randoms())
def test_the_order_of_fields_is_no_matter(body: dict[str, object], random: object) -> None:
    shuffled = dict(sorted(body.items(), key=lambda _: random.random()))  # type: ignore[attr-defined]
    assert fingerprint("POST", "/v1/payments", body) == fingerprint(
        "POST", "/v1/payments", shuffled
    )


@given(BODIES, BODIES)
def test_another_body_is_another_request(one: dict[str, object], other: dict[str, object]) -> None:
    # JSON tells true from 1, Python does not.
    assume(json.dumps(one, sort_keys=True) != json.dumps(other, sort_keys=True))
    assert fingerprint("POST", "/", one) != fingerprint("POST", "/", other)


def test_another_path_or_method_is_another_request() -> None:
    prints = {
        fingerprint("POST", "/v1/payments", {}),
        fingerprint("POST", "/v1/accounts", {}),
        fingerprint("PUT", "/v1/payments", {}),
    }
    assert len(prints) == 3


@given(st.binary(max_size=40), st.binary(max_size=40))
def test_a_body_that_is_no_json_has_a_fingerprint_too(one: bytes, other: bytes) -> None:
    prints = {idempotency.fingerprint("POST", "/", body) for body in (b"{" + one, b"{" + other)}
    assert len(prints) == (1 if one == other else 2)


def test_a_body_that_cannot_be_read_has_a_fingerprint() -> None:
    for body in (b"", b"[" * 100_000, b"9" * 5_000, b"\xff\xfe"):
        assert idempotency.fingerprint("POST", "/", body)
