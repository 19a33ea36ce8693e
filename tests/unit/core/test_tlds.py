"""Which ending a domain has: the longest of those that are served."""

import pytest

from perdure.core.tlds import longest_ending, normal_tld

SERVED = ["uk", "com", "co.uk", "uk.com", "xn--p1ai"]


@pytest.mark.parametrize(
    ("domain", "tld"),
    [
        ("shop.uk", "uk"),
        ("shop.co.uk", "co.uk"),
        ("my.shop.co.uk", "co.uk"),
        ("shop.org.uk", "uk"),
        ("co.uk", "uk"),
        ("shop.com", "com"),
        ("shop.uk.com", "uk.com"),
        ("shopuk.com", "com"),
        ("xn--80aaxitdbjk.xn--p1ai", "xn--p1ai"),
        ("shop.info", None),
        ("uk", None),
        (".uk", None),
        ("", None),
    ],
)
def test_a_domain_belongs_to_the_longest_ending(domain: str, tld: str | None) -> None:
    assert longest_ending(domain, SERVED) == tld
    assert longest_ending(domain, SERVED[::-1]) == tld


@pytest.mark.parametrize(
    ("given", "normal"),
    [
        ("info", "info"),
        (".CO.UK", "co.uk"),
        (" Com ", "com"),
        ("рф", "xn--p1ai"),
        (".РФ", "xn--p1ai"),
    ],
)
def test_an_ending_is_known_however_it_is_written(given: str, normal: str) -> None:
    assert normal_tld(given) == normal
