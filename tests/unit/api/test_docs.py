"""The guide names every error code and every route."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
GUIDE = (ROOT / "docs" / "api.md").read_text()
API = sorted((ROOT / "src" / "perdure" / "api").glob("*.py"))

NOT_OF_ANSWERS = {
    "deposit",
    "invalid_name",
    "unknown_scope",
    "house_scope",
    "api_key_not_found",
}
"""A transfer's code, and the errors of who makes keys, which is not done over HTTP."""


def codes() -> list[str]:
    found = {code for path in API for code in re.findall(r'code="([a-z_]+)"', path.read_text())}
    errors = (ROOT / "src" / "perdure" / "api" / "errors.py").read_text()
    found |= set(re.findall(r'\d{3}: \("([a-z_]+)", "[A-Z]', errors))
    return sorted(found - NOT_OF_ANSWERS)


@pytest.mark.parametrize("code", codes())
def test_the_guide_names_every_error_code(code: str) -> None:
    assert f"`{code}`" in GUIDE


def test_the_guide_has_codes_to_name() -> None:
    assert {"missing_scope", "body_too_large", "idempotency_key_in_use"} <= set(codes())
