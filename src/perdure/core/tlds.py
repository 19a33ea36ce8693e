"""Endings of domains' names: top-level domains, and those below that have a registry (`co.uk`)."""

from collections.abc import Iterable


def normal_tld(tld: str) -> str:
    """Return an ending as names have it: in lower case, without a dot before it, in ASCII.

    What has no ASCII form stays as it is, and is no domain's.
    """
    normal = tld.strip().removeprefix(".").lower()
    try:
        return normal.encode("idna").decode()
    except UnicodeError:
        return normal


def longest_ending(domain: str, tlds: Iterable[str]) -> str | None:
    """Return the longest of these endings that a domain has; None: it has none of them.

    `shop.co.uk` is a name under `co.uk`, where that has a registry, and not one under `uk`.

    Args:
        tlds: In their normal form.
    """
    endings = (tld for tld in tlds if domain.endswith(f".{tld}") and domain != f".{tld}")
    return max(endings, key=len, default=None)
