"""A kind of one's own: written by `perdure new kind`, installed, and tested as it stands."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from temporalio.client import Client
from typer.testing import CliRunner

from perdure.cli.new import app, template
from perdure.core.errors import Conflict, InvalidInput

CHECKED = 15
"""How many tests the contract of kinds has, with the one of the provider's class."""


def new_kind(*arguments: object) -> None:
    done = CliRunner().invoke(app, ["kind", *map(str, arguments)])
    if done.exception:
        raise done.exception


def test_a_new_kind_passes_its_tests_as_it_stands(
    tmp_path: Path, postgres_url: str, temporal_client: Client
) -> None:
    package, site = tmp_path / "package", tmp_path / "site-packages"
    new_kind("tax_return", "--id-prefix", "tax", "--into", package)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    alone = ["--no-deps", "--no-build-isolation", "--target", str(site), str(package)]
    subprocess.run([*pip, *alone], check=True)
    servers = {
        "DATABASE_URL": postgres_url,
        "TEMPORAL_ADDRESS": temporal_client.service_client.config.target_host,
    }
    # Their files in the folder of all sessions would close it to this session's servers.
    apart = ["-p", "no:cacheprovider", "--basetemp", str(tmp_path / "session")]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--quiet", *apart, str(package)],
        cwd=package,
        env={**os.environ, **servers, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, f"{CHECKED} passed" in done.stdout) == (0, True), done.stdout


def test_nothing_of_the_example_is_left_in_it(tmp_path: Path) -> None:
    new_kind("booking", "--into", tmp_path)
    written = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert written == {path.replace("giftcard", "booking") for path in template()}
    for path in tmp_path.rglob("*.*"):
        assert not re.search("giftcard|gft", path.read_text() if path.is_file() else "", re.I)
    capability = (tmp_path / "perdure_bookings" / "capability.py").read_text()
    assert "BOOKINGS: Final = Capability(" in capability


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["Booking"], "write it in lower case"),
        (["class"], "choose another name"),
        (["order"], "every kind's code has"),
        (["transfer"], "There are transfers already"),
        (["sheep", "--plural", "sheep"], "have to differ"),
        (["keyring"], "house's own ids begin with key"),
        (["booking", "--id-prefix", "b1"], "no beginning of ids"),
    ],
)
def test_a_name_that_cannot_be_is_refused(arguments: list[str], told: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=told):
        new_kind(*arguments, "--into", tmp_path / "package")
    assert not (tmp_path / "package").exists()


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    with pytest.raises(Conflict, match="not empty"):
        new_kind("booking", "--into", tmp_path)
