"""The database as Terraform makes it (E-12)."""

import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import hcl2
import pytest
from lark.exceptions import UnexpectedInput

from .files import TERRAFORM

FOLDER: Final = TERRAFORM[0].parent


def plain(value: Any) -> Any:
    """Return it without quotes, comments and the parser's own marks."""
    if isinstance(value, dict):
        return {
            plain(name): plain(each) for name, each in value.items() if not name.startswith("__")
        }
    if isinstance(value, list):
        return [plain(each) for each in value]
    return value.strip('"') if isinstance(value, str) else value


def parsed(path: Path) -> dict[str, Any]:
    with path.open() as file:
        found: dict[str, Any] = plain(hcl2.load(file))
    return found


def blocks(kind: str) -> dict[str, Any]:
    """Return the blocks of a kind, by their names, the last of their labels."""
    found: dict[str, Any] = {}
    for path in TERRAFORM:
        for block in parsed(path).get(kind, []):
            found |= block
    return found


@pytest.fixture(scope="module")
def resources() -> dict[str, Any]:
    """All resources, by type."""
    found: dict[str, Any] = {}
    for path in TERRAFORM:
        for block in parsed(path).get("resource", []):
            for kind, named in block.items():
                found.setdefault(kind, {}).update(named)
    return found


def test_the_instance_is_backed_up_and_grows_e12(resources: dict[str, Any]) -> None:
    instance = resources["google_sql_database_instance"]["perdure"]
    [settings] = instance["settings"]
    [backup] = settings["backup_configuration"]
    assert backup["enabled"] is True
    assert backup["start_time"] == "02:00"
    assert backup["point_in_time_recovery_enabled"] is True
    assert backup["transaction_log_retention_days"] == 7
    # The first of the seven days is reached from the backup before it.
    assert backup["backup_retention_settings"][0]["retained_backups"] == 8
    assert settings["disk_size"] == 100
    assert settings["disk_autoresize"] is True
    assert settings["database_flags"] == [{"name": "max_connections", "value": "200"}]


def test_the_instance_is_private_and_not_deleted_by_mistake_e12(
    resources: dict[str, Any],
) -> None:
    instance = resources["google_sql_database_instance"]["perdure"]
    [settings] = instance["settings"]
    assert settings["ip_configuration"] == [
        {
            "ipv4_enabled": False,
            "private_network": "${var.network}",
            "ssl_mode": "ENCRYPTED_ONLY",
        }
    ]
    assert instance["deletion_protection"] is True
    assert settings["deletion_protection_enabled"] is True
    assert instance["lifecycle"][0]["prevent_destroy"] is True
    assert instance["database_version"] == "${var.database_version}"


def test_passwords_come_from_secret_manager_e12(resources: dict[str, Any]) -> None:
    user = resources["google_sql_user"]["user"]
    assert user["password"].startswith("${data.google_secret_manager_secret_version.")
    text = "".join(path.read_text() for path in TERRAFORM)
    assert text.count("password") > 0
    assert "random_password" not in text


def test_postgresql_14_is_refused_and_why_is_said() -> None:
    version = blocks("variable")["database_version"]
    [validation] = version["validation"]
    assert "POSTGRES_14" not in validation["condition"]
    assert version["default"] in validation["condition"]
    assert "14" in version["description"]
    assert "14" in validation["error_message"]


def test_every_variable_is_used_and_every_one_used_is_there() -> None:
    text = "".join(path.read_text() for path in TERRAFORM)
    names = blocks("variable")
    for name in names:
        assert f"var.{name}" in text, name
    assert {"project", "network"} == {name for name, told in names.items() if "default" not in told}


def test_a_mistake_does_not_parse(tmp_path: Path) -> None:
    worse = tmp_path / "main.tf"
    worse.write_text((FOLDER / "main.tf").read_text().replace("disk_size       =", "disk_size"))
    with pytest.raises(UnexpectedInput):
        parsed(worse)


def test_the_files_are_formatted_as_terraform_would(tmp_path: Path) -> None:
    terraform = shutil.which("terraform") or shutil.which("tofu")
    if terraform is None:
        pytest.skip("neither terraform nor tofu is installed")

    def formatted(path: Path) -> bool:
        return not subprocess.run([terraform, "fmt", "-check", path], capture_output=True, check=False).returncode  # fmt: skip  # noqa: E501

    assert formatted(FOLDER)
    worse = tmp_path / "outputs.tf"
    worse.write_text((FOLDER / "outputs.tf").read_text().replace("  value", "value"))
    assert not formatted(worse)
