"""The worker's chores with data sets: into DVC, to the remote, and out again; one step at a time."""

import logging
from functools import partial

from gateway.training.facts import DatasetVersion, Kept
from gateway.training.ports import StepFailed
from gateway.training.worker_ports import DatasetChores, DataVersions

log = logging.getLogger(__name__)


class Chores:
    def __init__(
        self, chores: DatasetChores, data: DataVersions, owner: str, *, remote: bool, lease_s: float
    ) -> None:
        """`lease_s` outlasts the longest step: a step that is done twice does no harm, and costs."""
        self._chores = chores
        self._data = data
        self._owner = owner
        self._remote = remote
        self._lease_s = lease_s
        self.remote_state = "up" if remote else "off"  # by the last push

    async def step(self) -> bool:
        """Does what is due next; False: nothing is."""
        version = await self._chores.due(self._owner, self._lease_s, self._remote)
        if version is not None:
            await self._advance(version)
            return True
        found = await self._chores.deleted(self._owner, self._lease_s)
        if found is not None:
            await self._remove(found)
        return found is not None

    async def _advance(self, version: DatasetVersion) -> None:
        pushing = version.kept is Kept.VERSIONED and version.dvc_hash is not None
        try:
            if pushing:
                await self._data.push(version)
                kept, dvc_hash = Kept.PUSHED, version.dvc_hash
            else:
                kept, dvc_hash = Kept.VERSIONED, await self._data.add(version)
        except StepFailed as error:
            log.warning("a data set's %s failed: %s", "push" if pushing else "versioning", error)
            if pushing:
                self.remote_state = str(error)
            await self._chores.failed(version, self._owner, str(error))
            return
        if pushing:
            self.remote_state = "up"
        assert dvc_hash is not None  # noqa: S101 - what is pushed was versioned
        await self._chores.done(version, self._owner, kept, dvc_hash)

    async def _remove(self, version: DatasetVersion) -> None:
        try:
            await self._data.remove(version, partial(self._chores.shared, version))
        except StepFailed as error:
            log.warning("a deleted data set could not be removed yet: %s", error)
            await self._chores.failed(version, self._owner, str(error))
            return
        await self._chores.forget(version, self._owner)
