"""The provider of the tutorial: installed as a package, chosen by a setting, by its contract."""

import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from perdure.config import Settings
from perdure.outside import open_outside, use_of
from perdure.providers.sms import SMS_ROLE

ROOT: Final = Path(__file__).parents[3]
EXAMPLE: Final = ROOT / "examples" / "acme-sms"

sys.path.append(str(EXAMPLE))


def _tests_of_the_example() -> Any:
    path = EXAMPLE / "tests" / "test_acme_sms.py"
    spec = importlib.util.spec_from_file_location("test_acme_sms", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TestAcmeSms = _tests_of_the_example().TestAcmeSms


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The example, as pip leaves it."""
    folder = tmp_path_factory.mktemp("site-packages")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    alone = ["--no-deps", "--no-build-isolation", "--target", str(folder), str(EXAMPLE)]
    subprocess.run([*pip, *alone], check=True)
    sys.path.insert(0, str(folder))
    yield
    sys.path.remove(str(folder))


@pytest.mark.usefixtures("installed")
async def test_it_is_chosen_by_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERDURE_ACME_SMS_API_KEY", "hunter2")
    settings = Settings(sms="acme")
    use = use_of(SMS_ROLE, settings)
    assert not use.is_default
    async with open_outside(settings) as outside:
        assert type(outside.provider(SMS_ROLE)).__name__ == "AcmeSms"
