"""Writes the API's description to a file: `python -m perdure.api.document docs/openapi.json`."""

import json
import sys
from pathlib import Path

from perdure.api.app import routed_app


def document() -> str:
    """Return the description of the API, as it is installed."""
    return json.dumps(routed_app().openapi(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(document())
