"""A customer who is named wherever one may be."""

from typing import Any, Final

from perdure.core.ids import new_id
from perdure.operations import store
from perdure.operations.model import HOUSE, NewOperation
from perdure.storage.pool import Connection

PARTY: Final = {"name": "Grace Hopper", "email": "grace@example.com", "phone": "+12025550143"}
FORMER: Final = {"name": "Grace Murray", "email": "murray@example.com", "phone": None}
BOB: Final = {"name": "Bob Cratchit", "email": "bob@example.com", "phone": None}
TEXTS: Final = (
    *("grace hopper", "grace@example.com", "12025550143", "1990-12-09"),
    *("grace murray", "murray@example.com", "a moth"),
)

_ENDED: Final = """
UPDATE operations SET status = 'failed', finished_at = now() - interval '3 days',
    original_request = $2, failure = $3, result = $4 WHERE id = $1
"""

_OF_AN_OPERATION: Final = """
INSERT INTO effects (operation_id, step, fingerprint, result)
VALUES ('{id}', 'pay_out', 'digest', '{{"to": "Said by Grace Hopper"}}');

INSERT INTO operation_steps (operation_id, step, attempt, outcome, error, started_at)
VALUES ('{id}', 'pay_out', 1, 'failed', '{{"message": "To grace@example.com"}}', now());

INSERT INTO provider_calls (operation_id, step, provider, reference, state, lease_until, answer)
VALUES ('{id}', 'pay_out', 'bank', '{id}', 'answered', now(), '{{"name": "GRACE HOPPER"}}');

INSERT INTO provider_callbacks (provider, event_id, operation_id, event)
VALUES ('gateway', '{id}', '{id}', '{{"holder": "Grace Hopper"}}');

INSERT INTO legacy_operations (operation_id, kind, part, internal_status, state, error)
VALUES ('{id}', 'transfer', 'bank', 'ended', 'ended', 'Not Grace Hopper');

INSERT INTO payload_keys (id, owner, master, wrapped)
VALUES ('pky_{id}', 'operation:{id}', 'master', 'secret');

INSERT INTO notifications (id, operation_id, audience, channel, recipient, subject, body, state)
VALUES ('ntf_1_{id}', '{id}', 'buyer', 'email', 'grace@example.com', 'Hello', 'Hopper', 'sent'),
    ('ntf_2_{id}', '{id}', 'seller', 'email', 'bob@example.com', 'Hello', 'It is done.', 'sent');
"""

_OF_A_CUSTOMER: Final = """
INSERT INTO profiles (customer_id, full_name, email, phone, birth_date, country)
VALUES ('{id}', 'Grace Hopper', 'grace@example.com', '+12025550143', '1990-12-09', 'US');

INSERT INTO payload_keys (id, owner, master, wrapped)
VALUES ('pky_{id}', 'customer:{id}', 'master', 'secret');

INSERT INTO ledger_accounts (id, customer_id, name, kind, currency, may_go_negative, shards)
VALUES ('acc_{id}', '{id}', 'Grace Hopper''s wallet', 'liability', 'USD', false, 1);

INSERT INTO ledger_balances (account_id, shard) VALUES ('acc_{id}', 0);

INSERT INTO deposits (transfer_id, account_id, reference, actor)
VALUES ('ltr_{id}', 'acc_{id}', 'GRACE HOPPER 12/2026', 'tests');

INSERT INTO orders (id, asset, currency, customer_id, account_id, reference, contact, side,
    price_minor, quantity_lots, time_in_force, post_only, self_trade, fee_basis_points, status,
    remaining_lots)
VALUES ('ord_{id}', 'GEM', 'USD', '{id}', 'acc_{id}', 'grace@example.com 1',
    '{{"name": "Grace Hopper"}}', 'buy', 1, 1, 'gtc', false, 'expire_taker', 0, 'filled', 0);

INSERT INTO order_requests (id, asset, order_id, command, actor, reason)
VALUES ('orq_{id}', 'GEM', 'ord_{id}', 'cancel', 'tests', 'Grace Hopper wants it.');

INSERT INTO idempotency_keys (owner, key, fingerprint, status, body)
VALUES ('key:1', '{id}', 'digest', 201, convert_to('{{"data":[
    {{"customer_id":"{id}","customer":{{"name":"Grace Hopper"}},"description":"A moth"}},
    {{"customer_id":"cus_other","customer":{{"name":"Bob"}}}}]}}', 'UTF8'));

INSERT INTO operations (id, kind, status, customer_id, input)
VALUES ('blk_{id}', 'bulk', 'pending', 'house', '{{"request": {{"reason": "Of Grace Hopper"}}}}');

INSERT INTO bulks (id, rate_per_s, counted) VALUES ('blk_{id}', 1, 1);

INSERT INTO bulk_items (bulk_id, number, operation_id, message)
VALUES ('blk_{id}', 1, '{operation_id}', 'grace@example.com is no address.');
"""


async def plant(connection: Connection, customer_id: str) -> list[str]:
    """Have a customer be named everywhere; returns its operations, at last one that it shares."""
    ids = [await _transfer(connection, customer_id, number) for number in range(3)]
    ids.append(await _trade(connection, customer_id))
    for operation_id in ids:
        await connection.execute(_OF_AN_OPERATION.format(id=operation_id))
    await connection.execute(_OF_A_CUSTOMER.format(id=customer_id, operation_id=ids[0]))
    return ids


async def _transfer(connection: Connection, customer_id: str, number: int) -> str:
    request: dict[str, Any] = {
        "customer_id": customer_id,
        "account_id": f"acc_{customer_id}",
        "amount_minor": 5,
        "currency": "USD",
        "destination": "GB33BUKB20201555555555",
        "customer": PARTY,
        "reference": f"Grace Hopper {number}",
        "description": "A moth",
    }
    new = _new("transfer", "tfr", customer_id, request)
    operation = await store.accept(connection, new, actor="tests")
    data = {
        "before": {"customer": FORMER, "description": "a moth"},
        "after": {"customer": PARTY, "description": "A moth"},
    }
    why = "For murray@example.com."
    await store.note(
        connection, operation, actor="tests", action="corrected", reason=why, data=data
    )
    await connection.execute(
        _ENDED,
        new.id,
        request | {"customer": FORMER},
        {"code": "refused", "message": "grace@example.com is not known."},
        {"told": ["Grace Hopper", 7]},
    )
    return new.id


async def _trade(connection: Connection, customer_id: str) -> str:
    request = {
        "buyer_customer_id": customer_id,
        "seller_customer_id": "cus_other",
        "buyer": PARTY,
        "seller": BOB,
    }
    new = _new("trade", "trd", HOUSE, request)
    await store.accept(connection, new, actor="tests")
    await connection.execute(_ENDED, new.id, None, None, {"to": "grace hopper"})
    return new.id


def _new(kind: str, prefix: str, customer_id: str, request: dict[str, Any]) -> NewOperation:
    operation_id = new_id(prefix)
    given = {"operation_id": operation_id, "request": request}
    metadata = {"for": "Grace Hopper"}
    return NewOperation(operation_id, kind, customer_id, given, request.get("reference"), metadata)
