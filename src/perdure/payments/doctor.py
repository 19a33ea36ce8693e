"""What `perdure doctor` says of payments."""

from perdure.cli.findings import Finding, Health
from perdure.payments import late_charges
from perdure.storage.pool import Pool


async def look(pool: Pool) -> list[Finding]:
    """Look for money that the gateway has, and should not."""
    late = await late_charges.count_not_undone(pool)
    if not late:
        return []
    detail = f"the gateway has money of {late} payments that ended without success"
    fix = "perdure verify names them; the trail of each says what stands in the way."
    return [Finding("late charges", Health.WARN, detail, fix)]
