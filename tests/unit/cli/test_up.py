"""`perdure up` starts nothing where a setting is wrong: what it starts would be started again."""

from pathlib import Path

import pytest

from perdure.cli.up import up
from perdure.core.errors import ConfigurationError


def test_a_class_that_nobody_has_ends_the_start(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PERDURE_BANK", "nobody")
    with pytest.raises(ConfigurationError, match="PERDURE_BANK=nobody: there is no such provider"):
        up(tmp_path / "data")
    assert not (tmp_path / "data").exists()
