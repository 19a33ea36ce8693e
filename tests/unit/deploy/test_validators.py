"""Others' validators find the deployment right, and a mistake in each kind of file.

They are built with Go, which takes minutes on a new machine: `make test-deploy`.
"""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from tests.go_programs import go_program

from .files import CHART, COMPOSE, TERRAFORM
from .rendering import MANIFESTS, VARIANTS, helm, rendered

pytestmark = [pytest.mark.long, pytest.mark.timeout(2400)]

KUBE_SCORE: Final = "github.com/zegl/kube-score/cmd/kube-score@v1.20.0"
COMPOSE_GO: Final = "github.com/compose-spec/compose-go/v2/cmd@v2.9.0"
TFLINT: Final = "github.com/terraform-linters/tflint@v0.64.0"
NOT_ASKED: Final = (
    "container-image-pull-policy",  # tags are exact; a registry that is away stops no pod
    "pod-probes",  # no service leads to a worker, so it needs no readiness
)


def run(program: Path, *arguments: str | Path, said: str = "") -> str:
    """Return what a program has against its input; nothing where it has not."""
    done = subprocess.run(
        [program, *arguments], input=said, capture_output=True, text=True, check=False
    )
    return (done.stdout + done.stderr) if done.returncode else ""


@pytest.fixture(scope="module")
def kube_score() -> Path:
    """Return the program."""
    return go_program("kube-score", KUBE_SCORE, timeout_s=1800)


@pytest.mark.parametrize("name", VARIANTS)
def test_the_manifests_are_what_the_chart_renders_to(name: str) -> None:
    told = (MANIFESTS / f"{name}.yaml").read_text()
    assert rendered(VARIANTS[name]) == told, "make manifests"


def test_helm_finds_a_mistake(tmp_path: Path) -> None:
    assert helm("lint", "--strict", str(CHART)).returncode == 0
    worse = tmp_path / "perdure"
    shutil.copytree(CHART, worse)
    template = worse / "templates" / "api.yaml"
    template.write_text(template.read_text().replace("{{ .Values.api.replicas }}", "{{ .Values.ap"))
    with pytest.raises(ValueError, match=r"api\.yaml"):
        rendered((), worse)


@pytest.mark.parametrize("name", VARIANTS)
def test_kube_score_has_nothing_critical_to_say(kube_score: Path, name: str) -> None:
    assert score(kube_score, (MANIFESTS / f"{name}.yaml").read_text()) == ""


def test_kube_score_finds_a_mistake(kube_score: Path) -> None:
    told = (MANIFESTS / "perdure.yaml").read_text()
    worse = told.replace("readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false")
    assert "readOnlyRootFilesystem" in score(kube_score, worse)


def score(program: Path, manifests: str) -> str:
    ignored = [word for name in NOT_ASKED for word in ("--ignore-test", name)]
    return run(program, "score", *ignored, "-", said=manifests)


def test_compose_go_takes_the_compose_file_and_finds_a_mistake(tmp_path: Path) -> None:
    program = go_program("compose-go", COMPOSE_GO, timeout_s=1800)
    assert _refusal(tmp_path, lambda text: text, program) == ""
    worse = _refusal(tmp_path, lambda text: text.replace("depends_on:", "depend_on:"), program)
    assert "depend_on" in worse


def _refusal(folder: Path, change: Callable[[str], str], program: Path) -> str:
    shutil.copytree(COMPOSE.parent, folder / "compose", dirs_exist_ok=True)
    subprocess.run([folder / "compose" / "make-secrets.sh"], check=True)
    file = folder / "compose" / "compose.yaml"
    file.write_text(change(COMPOSE.read_text()))
    return run(program, file)


def test_tflint_takes_the_terraform_files_and_finds_a_mistake(tmp_path: Path) -> None:
    program = go_program("tflint", TFLINT, timeout_s=1800)
    for path in TERRAFORM:
        (tmp_path / path.name).write_text(path.read_text())
    assert run(program, f"--chdir={tmp_path}") == ""
    (tmp_path / "unused.tf").write_text('variable "nobody_uses_it" {\n  type = string\n}\n')
    assert "nobody_uses_it" in run(program, f"--chdir={tmp_path}")
