"""What `perdure doctor` says of the build that the settings name: whether it is given work."""

from temporalio.client import Client

from perdure.cli.findings import Finding, Health
from perdure.config import Settings
from perdure.durable.deployments import given_work, version_of
from perdure.durable.queues import OPERATIONS, QueueNames


async def look_at_deployment(client: Client, settings: Settings) -> Finding:
    """Look at which builds Temporal gives what is new."""
    subject = "build"
    queue = QueueNames(settings.queues)[OPERATIONS]
    given = await given_work(client, queue)
    told = ", ".join(f"{one.build_id} of {one.deployment_name}" for one in given)
    version = version_of(settings.deployment_name, settings.build_id)
    if version is None:
        if not given:
            return Finding(subject, Health.OK, "builds are not told apart")
        detail = f"what is new goes to {told}, and to no worker without a build id"
        return Finding(subject, Health.OK, detail)
    if version in given:
        return Finding(subject, Health.OK, f"{version.build_id} is given work")
    return Finding(
        subject,
        Health.WARN,
        f"{version.build_id} is given no work: what is new goes to"
        f" {told or 'workers without a build id'}",
        f"perdure deployments set-current {version.build_id}, once its workers run",
    )
