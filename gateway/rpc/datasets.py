"""Data sets over gRPC."""

import asyncio
from collections.abc import AsyncIterator, Mapping

from gateway.errors import InvalidRequest
from gateway.guards import may_train
from gateway.rpc.calls import Call
from gateway.rpc.convert import COLUMN_TYPES, cell, checked_version, page_size, timestamp
from gateway.rpc.gen import datasets_pb2 as pb
from gateway.training.datasets import DatasetDesk
from gateway.training.facts import Column, DatasetSummary, DatasetVersion, Kept, TableFormat

_FORMATS: Mapping[TableFormat, pb.TableFormat] = {
    TableFormat.CSV: pb.TABLE_FORMAT_CSV,
    TableFormat.JSON: pb.TABLE_FORMAT_JSON,
    TableFormat.JSONL: pb.TABLE_FORMAT_JSONL,
}
_FORMATS_BY_NUMBER = {int(told): form for form, told in _FORMATS.items()}
_STATES: Mapping[Kept, pb.VersioningState] = {
    Kept.ACCEPTED: pb.VERSIONING_STATE_ACCEPTED,
    Kept.VERSIONED: pb.VERSIONING_STATE_VERSIONED,
    Kept.PUSHED: pb.VERSIONING_STATE_PUSHED,
}


class Datasets:
    """The procedures of grading_gateway.v1.Datasets."""

    def __init__(self, desk: DatasetDesk) -> None:
        self._desk = desk

    async def upload_dataset(
        self, asked: AsyncIterator[pb.UploadDatasetRequest], call: Call
    ) -> pb.UploadDatasetResponse:
        may_train(call.caller)  # before anything is read
        first = await anext(asked, None)
        if first is None or first.WhichOneof("part") != "metadata":
            raise InvalidRequest("The first message must be 'metadata'.", param="metadata")
        said = first.metadata
        if said.bytes < 1:
            raise InvalidRequest("'bytes' must be the size of the file.", param="bytes")
        if said.format not in _FORMATS_BY_NUMBER:
            raise InvalidRequest("'format' must be CSV, JSON or JSONL.", param="format")
        version, created = await self._desk.upload(
            call.caller,
            said.name,
            _FORMATS_BY_NUMBER[said.format],
            said.target if said.HasField("target") else None,
            _chunks(asked, said.bytes),
        )
        return pb.UploadDatasetResponse(dataset=_version(version), created=created)

    async def list_datasets(self, asked: pb.ListDatasetsRequest, call: Call) -> pb.ListDatasetsResponse:
        size = page_size(asked.limit)
        after = asked.after if asked.HasField("after") else None
        found = await self._desk.find(call.caller, after, size + 1)
        return await asyncio.to_thread(_page, found, size)  # 200,000 columns at most

    async def get_dataset(self, asked: pb.GetDatasetRequest, call: Call) -> pb.GetDatasetResponse:
        version = checked_version(asked.version) if asked.HasField("version") else None
        found = await self._desk.get(call.caller, asked.name, version)
        versions = await self._desk.versions(call.caller, asked.name)
        return pb.GetDatasetResponse(
            dataset=_version(found),
            preview=[pb.Row(cells=map(cell, row)) for row in found.table.preview],
            versions=map(_summary, versions),
        )

    async def delete_dataset(self, asked: pb.DeleteDatasetRequest, call: Call) -> pb.DeleteDatasetResponse:
        version = checked_version(asked.version) if asked.HasField("version") else None
        await self._desk.delete(call.caller, asked.name, version)
        return pb.DeleteDatasetResponse()


async def _chunks(asked: AsyncIterator[pb.UploadDatasetRequest], size: int) -> AsyncIterator[bytes]:
    """The file, whole: gRPC ends the stream of a caller who left, or sent too large a message, like any
    other. Raises InvalidRequest."""
    came = 0
    async for message in asked:
        if message.WhichOneof("part") != "chunk":
            raise InvalidRequest("Every message but the first must be a 'chunk'.", param="chunk")
        came += len(message.chunk)
        if came > size:
            break
        yield message.chunk
    if came != size:
        raise InvalidRequest("The chunks are not as many bytes as 'bytes' says.", param="bytes")


def _page(found: list[DatasetVersion], size: int) -> pb.ListDatasetsResponse:
    datasets = [_version(one, statistics=False) for one in found[:size]]
    return pb.ListDatasetsResponse(datasets=datasets, has_more=len(found) > size)


def _version(version: DatasetVersion, *, statistics: bool = True) -> pb.DatasetVersion:
    table = version.table
    return pb.DatasetVersion(
        name=version.name,
        version=version.version,
        id=version.id,
        created_at=timestamp(version.created_at),
        format=_FORMATS[table.format],
        bytes=table.size,
        sha256=table.sha256,
        rows=table.rows,
        target=version.target,
        duplicate_rows=table.duplicate_rows,
        warnings=table.warnings,
        columns=[
            _column(one) if statistics else pb.Column(name=one.name, type=COLUMN_TYPES[one.type])
            for one in table.columns
        ],
        dvc=_versioning(version),
    )


def _column(column: Column) -> pb.Column:
    return pb.Column(
        name=column.name,
        type=COLUMN_TYPES[column.type],
        missing=column.missing,
        distinct=column.distinct,
        minimum=column.minimum,
        maximum=column.maximum,
        mean=column.mean,
        deviation=column.deviation,
        top=[pb.Frequency(value=cell(value), count=count) for value, count in column.top],
    )


def _summary(version: DatasetSummary) -> pb.DatasetVersionSummary:
    return pb.DatasetVersionSummary(
        version=version.version,
        created_at=timestamp(version.created_at),
        rows=version.rows,
        sha256=version.sha256,
        dvc=_versioning(version),
    )


def _versioning(version: DatasetVersion | DatasetSummary) -> pb.Versioning:
    return pb.Versioning(
        state=_STATES[version.kept], hash=version.dvc_hash, attempts=version.attempts, error=version.error
    )
