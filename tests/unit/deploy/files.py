"""The deployment's files, as the tests read them."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).parents[3]
DEPLOY: Final = ROOT / "deploy"
COMPOSE: Final = DEPLOY / "compose" / "compose.yaml"
CHART: Final = DEPLOY / "helm" / "perdure"
RENDERED: Final = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
TEMPORAL: Final = DEPLOY / "helm" / "temporal-values.yaml"
TERRAFORM: Final = sorted((DEPLOY / "terraform").glob("*.tf"))


def read(path: Path) -> Any:
    """Return what a file of YAML says."""
    return yaml.safe_load(path.read_text())


def manifests(path: Path) -> list[dict[str, Any]]:
    """Return the objects in a file of Kubernetes'."""
    return [each for each in yaml.safe_load_all(path.read_text()) if each]


def pods(objects: list[dict[str, Any]]) -> Iterator[tuple[str, int, Mapping[str, Any]]]:
    """Yield each kind of pod: its name, how many there are, and its specification."""
    for each in objects:
        template = each.get("spec", {}).get("template")
        if template:
            replicas = each["spec"].get("replicas", 1)
            yield each["metadata"]["name"], replicas, template["spec"]


def environment(container: Mapping[str, Any]) -> dict[str, str]:
    """Return a container's variables."""
    return {each["name"]: each["value"] for each in container.get("env", [])}


def services() -> dict[str, dict[str, Any]]:
    """Return compose's services."""
    found: dict[str, dict[str, Any]] = read(COMPOSE)["services"]
    return found


def image_name(image: str) -> str:
    """Return an image's name without its tag."""
    return re.sub(r":[^:/]+$", "", image)
