"""Nothing streams beside the one way in: who opened streams without it would have no share of them.

See `api/streams.py`.
"""

import ast

from .source import PACKAGE, imports, python_files, tree

WAY_IN = PACKAGE / "api" / "streams.py"
OPENERS = ("sse_starlette", "starlette.responses.StreamingResponse", "fastapi.responses.Streaming")


def test_only_the_way_in_answers_with_a_stream() -> None:
    found = {
        str(path.relative_to(PACKAGE))
        for path in python_files(PACKAGE)
        if any(name.startswith(OPENERS) for name in imports(path))
        # An outside system that is simulated has no keys.
        and "simulators" not in path.parts
    }
    assert found == {str(WAY_IN.relative_to(PACKAGE))}


def test_every_stream_takes_its_place() -> None:
    """Who describes a stream answers with one that has a place."""
    for path in python_files(PACKAGE):
        called = [
            node.func.id
            for node in ast.walk(tree(path))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        ]
        assert called.count("sends_events") == called.count("send_events"), path
