"""The guide names every error code."""

import re
from pathlib import Path

import pytest

from perdure.api.kind_meanings import all_codes

ROOT = Path(__file__).parents[3]
GUIDE = (ROOT / "docs" / "api.md").read_text()
BEFORE_ROUTES = {
    *re.findall(r'\d{3}: \("([a-z_]+)", "[A-Z]', (ROOT / "src/perdure/api/errors.py").read_text()),
    "malformed_request",
    "request_timeout",
    "headers_too_large",
}
"""What is answered where no route is to answer."""


@pytest.mark.parametrize("code", sorted({*all_codes(), *BEFORE_ROUTES}))
def test_the_guide_names_every_error_code(code: str) -> None:
    assert f"`{code}`" in GUIDE
