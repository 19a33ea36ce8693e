"""Every metric of ours is in the reference, and the reference names no others."""

import re
from importlib import import_module

from perdure.core.metrics import all_metrics

from .source import PACKAGE, ROOT, imports, python_files

PAGE = (ROOT / "docs" / "observability.md").read_text()


def metrics_of_ours() -> dict[str, tuple[str, ...]]:
    """Return the labels of each metric, by the name that Prometheus has."""
    for path in python_files(PACKAGE):
        if any(name.startswith("perdure.core.metrics") for name in imports(path)):
            module = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
            import_module(module)
    return {metric.exported_as: metric.labels for metric in all_metrics()}


def test_the_reference_has_every_metric_with_its_labels() -> None:
    rows = re.findall(r"^\| `(perdure_\w+)` \|([^|]*)\|", PAGE, re.MULTILINE)
    assert {
        name: tuple(re.findall(r"`(\w+)`", labels)) for name, labels in rows
    } == metrics_of_ours()
