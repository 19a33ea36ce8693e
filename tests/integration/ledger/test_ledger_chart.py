"""The house's own accounts."""

from perdure.ledger.chart import SystemAccount, ensure_system_accounts, system_account_id
from perdure.ledger.store_postgres import PostgresLedger
from perdure.storage.pool import Pool, transaction


async def test_the_house_accounts_are_opened_once_per_currency(pool: Pool) -> None:
    ledger = PostgresLedger()
    for currencies in (["USD", "EUR", "USD"], ["EUR", "USD"]):
        async with transaction(pool) as session:
            await ensure_system_accounts(ledger, session, currencies)
    async with transaction(pool) as session:
        for system in SystemAccount:
            for currency in ("USD", "EUR"):
                found = await ledger.get_account(session, system_account_id(system, currency))
                assert (found.kind, found.currency) == (system.kind, currency)
                assert found.may_go_negative
