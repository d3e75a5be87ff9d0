"""A gateway that fetches no submission does not carry what would fetch them."""

import subprocess
import sys

PROGRAM = """
import asyncio, sys
import gateway.app
from gateway.adapters.artifact_policy import Allowed, ArtifactBounds
from gateway.adapters.late_artifacts import LateArtifacts
from gateway.domain import Artifact
from gateway.errors import GatewayError

async def fetched(artifacts, url):
    try:
        await artifacts.fetch(Artifact(url))
    except GatewayError as error:
        return error.code.value, "aiohttp" in sys.modules

async def main():
    bounds = ArtifactBounds(1000, 5.0, 5.0, 1, "text/*")
    artifacts = LateArtifacts(Allowed.of("localhost:9", "localhost:9", "localhost"), bounds)
    print(await fetched(artifacts, "https://elsewhere.example/a"))
    print(await fetched(artifacts, "http://localhost:9/a"))
    await artifacts.close()

asyncio.run(main())
"""


def test_the_client_is_loaded_for_the_first_artefact_that_may_be_fetched() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60)
    refused, tried = done.stdout.splitlines()
    assert refused == "('artifact_refused', False)", done.stderr
    assert tried == "('artifact_unavailable', True)"
