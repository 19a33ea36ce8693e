"""Writes what the chart renders to, for those who have no helm: `make manifests`."""

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.go_programs import go_program

from .files import CHART, DEPLOY

HELM: Final = "helm.sh/helm/v3/cmd/helm@v3.19.0"
KUBERNETES: Final = ("--namespace", "perdure", "--kube-version", "1.34.0")
MANIFESTS: Final = DEPLOY / "kubernetes"
VARIANTS: Final[dict[str, Sequence[str]]] = {
    "perdure": (),
    "perdure-controller": ("--values", str(CHART / "values-controller.yaml")),
}
"""The manifests, each with the options that it is rendered with."""


def helm(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run helm, which is built at first."""
    program = go_program("helm", HELM, timeout_s=1800)
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False)


def rendered(options: Sequence[str], chart: Path = CHART) -> str:
    """Return what the chart renders to.

    Raises:
        ValueError: It does not.
    """
    done = helm("template", "perdure", str(chart), *KUBERNETES, *options)
    if done.returncode:
        raise ValueError(done.stderr)
    return done.stdout


def write(folder: Path = MANIFESTS) -> None:
    """Write each variant's manifests."""
    folder.mkdir(exist_ok=True)
    for name, options in VARIANTS.items():
        (folder / f"{name}.yaml").write_text(rendered(options))


if __name__ == "__main__":
    write()
