"""A market on a real database: assets that are traded, people with money, and their orders."""

from dataclasses import dataclass, field
from typing import Any

from openfeature import api

from perdure.core.ids import ACCOUNT, TRANSFER, new_id
from perdure.flags.routing import EngineRouting
from perdure.ledger.chart import SystemAccount, ensure_system_accounts, system_account_id
from perdure.ledger.model import AccountKind, NewAccount, NewTransfer
from perdure.ledger.store_postgres import PostgresLedger
from perdure.operations.model import Operation
from perdure.storage.pool import Pool, transaction
from perdure.trades.acceptance import TradeAcceptance
from perdure.trades.book.book import Book
from perdure.trades.book.commands import Cancel, ChangeInstrument, Command, Instrument, Replace
from perdure.trades.book.journal import encode_snapshot
from perdure.trades.orders import store
from perdure.trades.orders.instruments import list_asset
from perdure.trades.orders.intake import Intake, NewRequest
from perdure.trades.orders.model import COLUMNS, Order
from perdure.trades.orders.new_orders import NewOrder, Once
from perdure.trades.orders.replaying import go_on
from perdure.trades.orders.writer import AssetWriter

LEDGER = PostgresLedger()
FEE_BASIS_POINTS = 100


@dataclass
class Market:
    """One asset's market; its name is its own."""

    pool: Pool
    asset: str
    intake: Intake
    writer: AssetWriter
    accounts: dict[str, str] = field(default_factory=dict)

    @classmethod
    async def open(cls, pool: Pool) -> "Market":
        """List an asset, with the band 1 to 1,000."""
        asset = new_id("ast").removeprefix("ast_").upper()[:20] + new_id("x")[-6:].upper()
        async with transaction(pool) as connection:
            await ensure_system_accounts(LEDGER, connection, ["USD"])
            await list_asset(connection, asset, currency="USD", fee_basis_points=FEE_BASIS_POINTS)
        market = cls(pool, asset, Intake(pool, LEDGER), writer_of(pool, asset, new_id("prc")))
        await market.ask(None, ChangeInstrument(1, 1, 1_000, 500))
        await market.writer.write()
        return market

    async def account(self, who: str, money_minor: int = 0) -> str:
        """Return the account of somebody, opened with so much."""
        if who not in self.accounts:
            account_id = new_id(ACCOUNT)
            async with transaction(self.pool) as connection:
                await LEDGER.open_account(
                    connection,
                    NewAccount(
                        id=account_id,
                        name=who,
                        kind=AccountKind.LIABILITY,
                        currency="USD",
                        customer_id=self.customer(who),
                    ),
                )
                if money_minor:
                    await LEDGER.post(
                        connection,
                        NewTransfer(
                            id=new_id(TRANSFER),
                            debit_account_id=system_account_id(SystemAccount.BANK, "USD"),
                            credit_account_id=account_id,
                            amount_minor=money_minor,
                            currency="USD",
                            code="deposit",
                        ),
                    )
            self.accounts[who] = account_id
        return self.accounts[who]

    def customer(self, who: str) -> str:
        """Return the customer of this name, who trades here alone."""
        return f"cus_{who}_{self.asset}"

    async def available(self, who: str) -> int:
        """Return what somebody can still spend."""
        async with self.pool.acquire() as connection:
            return (await LEDGER.balance(connection, self.accounts[who])).available_minor

    async def place(self, who: str, side: str, lots: int, at: int, **terms: Any) -> str:
        """Store an order; a sell has its asset set aside at once."""
        once = terms.pop("once", None)
        taken = await self.intake.place(
            NewOrder(
                customer_id=self.customer(who),
                account_id=await self.account(who),
                asset=self.asset,
                side=side,  # type: ignore[arg-type]
                price_minor=at,
                quantity_lots=lots,
                once=Once(once, once.encode()) if once else None,
                **terms,
            )
        )
        if side == "sell":
            await self.pool.execute(
                "UPDATE orders SET status = 'entering', look_at = NULL"
                " WHERE id = $1 AND status = 'reserving'",
                taken.order.id,
            )
        return taken.order.id

    async def ask(self, order_id: str | None, command: Command, key: str | None = None) -> str:
        """Store a request."""
        taken = await self.intake.ask(
            NewRequest(
                asset=self.asset,
                order_id=order_id,
                command=command,
                actor="test",
                once=Once(key, key.encode()) if key else None,
            )
        )
        return taken.id

    async def cancel(self, order_id: str) -> str:
        """Ask for an order to be cancelled."""
        return await self.ask(order_id, Cancel(order_id))

    async def replace(self, order_id: str, lots: int, at: int) -> str:
        """Ask for another price and quantity."""
        return await self.ask(order_id, Replace(order_id, at, lots))

    async def answer(self, request_id: str) -> str | None:
        """Return why a request was refused."""
        row = await self.pool.fetchrow(
            "SELECT is_answered, refusal FROM order_requests WHERE id = $1", request_id
        )
        assert row is not None
        assert row["is_answered"], "nobody has answered it"
        found: str | None = row["refusal"]
        return found

    async def write(self) -> list[Operation]:
        """Have all that waits be written."""
        found: list[Operation] = []
        while (trades := await self.writer.write()) is not None:
            found += trades
        return found

    async def order(self, order_id: str) -> Order:
        """Return an order as it is stored."""
        row = await self.pool.fetchrow(f"SELECT {COLUMNS} FROM orders WHERE id = $1", order_id)
        assert row is not None
        return Order(*row.values())

    async def book(self) -> str:
        """Return the book made from its rows, once its journal has led to the same."""
        built, _ = await store.read_book(self.pool, self.asset)
        replayed = Book(Instrument())
        await go_on(self.pool, self.asset, replayed)
        assert encode_snapshot(replayed.snapshot()) == encode_snapshot(built.snapshot())
        return encode_snapshot(built.snapshot())


def writer_of(pool: Pool, asset: str, name: str) -> AssetWriter:
    """Return a writer of an asset; its trades have workflows of their own."""
    acceptance = TradeAcceptance(LEDGER, EngineRouting(api.get_client(), {}))
    return AssetWriter(
        pool, LEDGER, acceptance, lambda trades: [None] * len(trades), asset=asset, name=name
    )
