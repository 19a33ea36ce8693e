"""Two customers with something in each table that is declared, and a trade between them."""

from datetime import date
from typing import Final
from uuid import uuid4

from perdure.core.ids import ACCOUNT, TRANSFER, new_id
from perdure.ledger.model import AccountKind, NewAccount, NewTransfer
from perdure.ledger.store_postgres import PostgresLedger
from perdure.operations import store
from perdure.operations.model import HOUSE, NewOperation
from perdure.storage.pool import Connection, Pool, transaction

MONTH: Final = date(1999, 1, 1)
LEDGER: Final = PostgresLedger()


class Person:
    """A customer with something in each table, and a trade with another."""

    def __init__(self) -> None:
        self.id = f"cus_{uuid4().hex[:12]}"
        self.account_id = new_id(ACCOUNT)
        self.operation_id = new_id("pay")
        self.order_id = new_id("ord")
        self.item_id = new_id("itm")


class People:
    """Two customers, and a trade between them."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.ada, self.bob = Person(), Person()
        self.trade_id = new_id("trd")

    async def settle(self) -> None:
        """Have each have something in each table."""
        await self.pool.execute(
            "CREATE TABLE IF NOT EXISTS archived_of_tests PARTITION OF archived_operations"
            f" FOR VALUES FROM ('{MONTH}') TO ('1999-02-01')"
        )
        async with transaction(self.pool) as connection:
            for one in (self.ada, self.bob):
                await self._bring(connection, one)
            request = {
                "buyer_customer_id": self.ada.id,
                "seller_customer_id": self.bob.id,
            }
            trade = NewOperation(self.trade_id, "trade", HOUSE, {"request": request})
            await store.accept(connection, trade, actor="matcher")

    async def _bring(self, connection: Connection, one: Person) -> None:
        for account_id, customer_id in ((one.account_id, one.id), (f"sys_{one.id}", None)):
            account = NewAccount(
                id=account_id,
                name="Wallet",
                kind=AccountKind.LIABILITY,
                currency="USD",
                customer_id=customer_id,
                may_go_negative=customer_id is None,
            )
            await LEDGER.open_account(connection, account)
        paid_in = NewTransfer(
            id=new_id(TRANSFER),
            debit_account_id=f"sys_{one.id}",
            credit_account_id=one.account_id,
            amount_minor=5,
            currency="USD",
            code="test",
        )
        await LEDGER.post(connection, paid_in)
        await connection.execute(
            "INSERT INTO ledger_tigerbeetle_owed (tigerbeetle_id, transfer_id, kind,"
            " debit_account_id, credit_account_id, amount_minor, currency)"
            " SELECT gen_random_uuid(), id, kind, debit_account_id, credit_account_id,"
            " amount_minor, currency FROM ledger_transfers WHERE id = $1",
            paid_in.id,
        )
        new = NewOperation(one.operation_id, "payment", one.id, {"request": {}})
        await store.accept(connection, new, actor="test")
        await connection.execute(
            "INSERT INTO operation_steps (operation_id, step, attempt, outcome, started_at)"
            " VALUES ($1, 'hold_funds', 1, 'succeeded', now())",
            one.operation_id,
        )
        await connection.execute(
            "INSERT INTO profiles (customer_id, full_name, status) VALUES ($1, '', 'erased')",
            one.id,
        )
        await connection.execute(
            "INSERT INTO erased_customers (customer_id, operation_id) VALUES ($1, $2)",
            one.id,
            one.operation_id,
        )
        await self._link(connection, one)
        await connection.execute(
            "INSERT INTO archived_operations (operation_id, month, records) VALUES ($1, $2, '{}')",
            one.operation_id,
            MONTH,
        )
        await connection.execute(
            "INSERT INTO orders (id, asset, currency, customer_id, account_id, side, price_minor,"
            " quantity_lots, time_in_force, post_only, self_trade, fee_basis_points, status,"
            " remaining_lots) VALUES ($1, 'NO SUCH', 'USD', $2, $3, 'buy', 1, 1, 'gtc', false,"
            " 'expire_taker', 0, 'cancelled', 0)",
            one.order_id,
            one.id,
            one.account_id,
        )

    async def _link(self, connection: Connection, one: Person) -> None:
        await connection.execute(
            "INSERT INTO bank_items (id, customer_id, provider_item_id) VALUES ($1, $2, $1)",
            one.item_id,
            one.id,
        )
        await connection.execute(
            "INSERT INTO bank_accounts (item_id, id, name, kind) VALUES ($1, 'a', '', '')",
            one.item_id,
        )
        await connection.execute(
            "INSERT INTO bank_transactions (item_id, id, customer_id, account_id, amount_minor,"
            " currency, booked_on, name, pending, mirror_account_id, sync_id)"
            " VALUES ($1, 't', $2, 'a', 1, 'USD', now(), '', false, '', '')",
            one.item_id,
            one.id,
        )

    def of(self, one: Person) -> dict[str, set[str]]:
        """Return what a customer may see of each table, by what names its rows."""
        return {
            "operations": {one.operation_id, self.trade_id},
            "operation_trail": {one.operation_id, self.trade_id},
            "operation_steps": {one.operation_id},
            "archived_operations": {one.operation_id},
            "profiles": {one.id},
            "erased_customers": {one.id},
            "ledger_accounts": {one.account_id},
            "ledger_balances": {one.account_id},
            "ledger_transfers": {one.account_id},
            "ledger_tigerbeetle_owed": {one.account_id},
            "orders": {one.order_id},
            "bank_items": {one.item_id},
            "bank_accounts": {one.item_id},
            "bank_transactions": {one.item_id},
        }


NAMED_BY: Final = {
    "bank_accounts": "item_id",
    "bank_transactions": "item_id",
    "operation_trail": "operation_id",
    "operation_steps": "operation_id",
    "archived_operations": "operation_id",
    "profiles": "customer_id",
    "erased_customers": "customer_id",
    "ledger_balances": "account_id",
    "ledger_transfers": "credit_account_id",
    "ledger_tigerbeetle_owed": "credit_account_id",
}
