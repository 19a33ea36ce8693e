"""The project's own source, as the tidy tests read it."""

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "perdure"


@cache
def tracked_files() -> tuple[Path, ...]:
    """Return every file git tracks, or would."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return tuple(path for name in listed.stdout.splitlines() if (path := ROOT / name).is_file())


def python_files(folder: Path = ROOT) -> list[Path]:
    """Return the Python files below a folder that somebody wrote."""
    return [
        path
        for path in tracked_files()
        if path.suffix == ".py" and folder in path.parents and "_pb2" not in path.stem
    ]


@cache
def tree(path: Path) -> ast.Module:
    """Return a file's syntax tree."""
    return ast.parse(path.read_text())


def imports(path: Path) -> Iterator[str]:
    """Yield the full name of every module, or member of one, that a file imports."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@cache
def modules() -> dict[str, Path]:
    """Return the package's modules, by their names."""
    return {
        ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(
            ".__init__"
        ): path
        for path in python_files(PACKAGE)
    }


def imported_modules(path: Path) -> set[str]:
    """Return the package's modules that a file imports, or names the members of."""
    known = modules()
    return {
        found
        for name in imports(path)
        for found in (name if name in known else name.rpartition(".")[0],)
        if found in known and known[found] != path
    }
