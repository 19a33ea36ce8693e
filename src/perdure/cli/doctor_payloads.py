"""What `perdure doctor` says of what Temporal keeps: whether it is encrypted, and with what."""

from perdure.cli.findings import Finding, Health
from perdure.config import Settings
from perdure.core.errors import PerdureError
from perdure.durable.payloads.rotation import masters_in_use
from perdure.durable.payloads.settings import KEYS, PayloadSettings, master_key
from perdure.storage.pool import Pool


async def look_at_payloads(pool: Pool, settings: Settings) -> Finding:
    """Look at the master keys that are set, and at those that are needed."""
    subject = "payloads"
    try:
        told = settings.of(PayloadSettings).keys
    except PerdureError as error:
        return Finding(subject, Health.FAIL, error.message)
    known = [master_key(key)[0] for key in told]
    used = await masters_in_use(pool)
    if missing := [name for name in used if name not in known]:
        return Finding(
            subject,
            Health.FAIL,
            f"master keys that wrap customers' keys are not set: {', '.join(missing)}",
            f"Add them to {KEYS}; what is encrypted waits until then.",
        )
    if not known:
        return Finding(
            subject,
            Health.WARN,
            "what Temporal keeps of operations is not encrypted",
            f"perdure payload-keys new NAME, then set {KEYS}",
        )
    old = [name for name in used if name != known[0]]
    detail = f"inputs, results, signals and failures are encrypted; {known[0]} wraps the keys"
    if old:
        return Finding(
            subject,
            Health.OK,
            f"{detail}, {', '.join(old)} some still",
            "perdure payload-keys rewrap",
        )
    return Finding(subject, Health.OK, detail)
