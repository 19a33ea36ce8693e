"""Has the SDK download Temporal's CLI into a folder.

    python -m perdure.embedded.temporal_download <folder> <version>

The SDK downloads only in order to start a server, and cannot be interrupted: so it does it in a
process of its own, which can be killed.
"""

import asyncio
import sys

from temporalio.testing import WorkflowEnvironment


async def download(folder: str, version: str) -> None:
    """Download the CLI, and start and end a server with it."""
    try:
        environment = await WorkflowEnvironment.start_local(
            download_dest_dir=folder, dev_server_download_version=f"v{version}"
        )
    except RuntimeError as error:
        sys.exit(str(error))
    await environment.shutdown()


if __name__ == "__main__":
    asyncio.run(download(sys.argv[1], sys.argv[2]))
