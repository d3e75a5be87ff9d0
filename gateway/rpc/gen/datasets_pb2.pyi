import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class TableFormat(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TABLE_FORMAT_UNSPECIFIED: _ClassVar[TableFormat]
    TABLE_FORMAT_CSV: _ClassVar[TableFormat]
    TABLE_FORMAT_JSON: _ClassVar[TableFormat]
    TABLE_FORMAT_JSONL: _ClassVar[TableFormat]

class ColumnType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    COLUMN_TYPE_UNSPECIFIED: _ClassVar[ColumnType]
    COLUMN_TYPE_NUMBER: _ClassVar[ColumnType]
    COLUMN_TYPE_INTEGER: _ClassVar[ColumnType]
    COLUMN_TYPE_BOOLEAN: _ClassVar[ColumnType]
    COLUMN_TYPE_TEXT: _ClassVar[ColumnType]

class VersioningState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    VERSIONING_STATE_UNSPECIFIED: _ClassVar[VersioningState]
    VERSIONING_STATE_ACCEPTED: _ClassVar[VersioningState]
    VERSIONING_STATE_VERSIONED: _ClassVar[VersioningState]
    VERSIONING_STATE_PUSHED: _ClassVar[VersioningState]
TABLE_FORMAT_UNSPECIFIED: TableFormat
TABLE_FORMAT_CSV: TableFormat
TABLE_FORMAT_JSON: TableFormat
TABLE_FORMAT_JSONL: TableFormat
COLUMN_TYPE_UNSPECIFIED: ColumnType
COLUMN_TYPE_NUMBER: ColumnType
COLUMN_TYPE_INTEGER: ColumnType
COLUMN_TYPE_BOOLEAN: ColumnType
COLUMN_TYPE_TEXT: ColumnType
VERSIONING_STATE_UNSPECIFIED: VersioningState
VERSIONING_STATE_ACCEPTED: VersioningState
VERSIONING_STATE_VERSIONED: VersioningState
VERSIONING_STATE_PUSHED: VersioningState

class Cell(_message.Message):
    __slots__ = ("text", "number", "integer", "boolean")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    INTEGER_FIELD_NUMBER: _ClassVar[int]
    BOOLEAN_FIELD_NUMBER: _ClassVar[int]
    text: str
    number: float
    integer: int
    boolean: bool
    def __init__(self, text: _Optional[str] = ..., number: _Optional[float] = ..., integer: _Optional[int] = ..., boolean: _Optional[bool] = ...) -> None: ...

class Versioning(_message.Message):
    __slots__ = ("state", "hash", "attempts", "error")
    STATE_FIELD_NUMBER: _ClassVar[int]
    HASH_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    state: VersioningState
    hash: str
    attempts: int
    error: str
    def __init__(self, state: _Optional[_Union[VersioningState, str]] = ..., hash: _Optional[str] = ..., attempts: _Optional[int] = ..., error: _Optional[str] = ...) -> None: ...

class Frequency(_message.Message):
    __slots__ = ("value", "count")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    value: Cell
    count: int
    def __init__(self, value: _Optional[_Union[Cell, _Mapping]] = ..., count: _Optional[int] = ...) -> None: ...

class Column(_message.Message):
    __slots__ = ("name", "type", "missing", "distinct", "minimum", "maximum", "mean", "deviation", "top")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    MISSING_FIELD_NUMBER: _ClassVar[int]
    DISTINCT_FIELD_NUMBER: _ClassVar[int]
    MINIMUM_FIELD_NUMBER: _ClassVar[int]
    MAXIMUM_FIELD_NUMBER: _ClassVar[int]
    MEAN_FIELD_NUMBER: _ClassVar[int]
    DEVIATION_FIELD_NUMBER: _ClassVar[int]
    TOP_FIELD_NUMBER: _ClassVar[int]
    name: str
    type: ColumnType
    missing: int
    distinct: int
    minimum: float
    maximum: float
    mean: float
    deviation: float
    top: _containers.RepeatedCompositeFieldContainer[Frequency]
    def __init__(self, name: _Optional[str] = ..., type: _Optional[_Union[ColumnType, str]] = ..., missing: _Optional[int] = ..., distinct: _Optional[int] = ..., minimum: _Optional[float] = ..., maximum: _Optional[float] = ..., mean: _Optional[float] = ..., deviation: _Optional[float] = ..., top: _Optional[_Iterable[_Union[Frequency, _Mapping]]] = ...) -> None: ...

class DatasetVersion(_message.Message):
    __slots__ = ("name", "version", "id", "created_at", "format", "bytes", "sha256", "rows", "target", "duplicate_rows", "warnings", "columns", "dvc")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    DUPLICATE_ROWS_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    DVC_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: int
    id: str
    created_at: _timestamp_pb2.Timestamp
    format: TableFormat
    bytes: int
    sha256: str
    rows: int
    target: str
    duplicate_rows: int
    warnings: _containers.RepeatedScalarFieldContainer[str]
    columns: _containers.RepeatedCompositeFieldContainer[Column]
    dvc: Versioning
    def __init__(self, name: _Optional[str] = ..., version: _Optional[int] = ..., id: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., format: _Optional[_Union[TableFormat, str]] = ..., bytes: _Optional[int] = ..., sha256: _Optional[str] = ..., rows: _Optional[int] = ..., target: _Optional[str] = ..., duplicate_rows: _Optional[int] = ..., warnings: _Optional[_Iterable[str]] = ..., columns: _Optional[_Iterable[_Union[Column, _Mapping]]] = ..., dvc: _Optional[_Union[Versioning, _Mapping]] = ...) -> None: ...

class DatasetVersionSummary(_message.Message):
    __slots__ = ("version", "created_at", "rows", "sha256", "dvc")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    DVC_FIELD_NUMBER: _ClassVar[int]
    version: int
    created_at: _timestamp_pb2.Timestamp
    rows: int
    sha256: str
    dvc: Versioning
    def __init__(self, version: _Optional[int] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., rows: _Optional[int] = ..., sha256: _Optional[str] = ..., dvc: _Optional[_Union[Versioning, _Mapping]] = ...) -> None: ...

class Row(_message.Message):
    __slots__ = ("cells",)
    CELLS_FIELD_NUMBER: _ClassVar[int]
    cells: _containers.RepeatedCompositeFieldContainer[Cell]
    def __init__(self, cells: _Optional[_Iterable[_Union[Cell, _Mapping]]] = ...) -> None: ...

class UploadMetadata(_message.Message):
    __slots__ = ("name", "format", "target", "bytes")
    NAME_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    name: str
    format: TableFormat
    target: str
    bytes: int
    def __init__(self, name: _Optional[str] = ..., format: _Optional[_Union[TableFormat, str]] = ..., target: _Optional[str] = ..., bytes: _Optional[int] = ...) -> None: ...

class UploadDatasetRequest(_message.Message):
    __slots__ = ("metadata", "chunk")
    METADATA_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    metadata: UploadMetadata
    chunk: bytes
    def __init__(self, metadata: _Optional[_Union[UploadMetadata, _Mapping]] = ..., chunk: _Optional[bytes] = ...) -> None: ...

class UploadDatasetResponse(_message.Message):
    __slots__ = ("dataset", "created")
    DATASET_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    dataset: DatasetVersion
    created: bool
    def __init__(self, dataset: _Optional[_Union[DatasetVersion, _Mapping]] = ..., created: _Optional[bool] = ...) -> None: ...

class ListDatasetsRequest(_message.Message):
    __slots__ = ("after", "limit")
    AFTER_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    after: str
    limit: int
    def __init__(self, after: _Optional[str] = ..., limit: _Optional[int] = ...) -> None: ...

class ListDatasetsResponse(_message.Message):
    __slots__ = ("datasets", "has_more")
    DATASETS_FIELD_NUMBER: _ClassVar[int]
    HAS_MORE_FIELD_NUMBER: _ClassVar[int]
    datasets: _containers.RepeatedCompositeFieldContainer[DatasetVersion]
    has_more: bool
    def __init__(self, datasets: _Optional[_Iterable[_Union[DatasetVersion, _Mapping]]] = ..., has_more: _Optional[bool] = ...) -> None: ...

class GetDatasetRequest(_message.Message):
    __slots__ = ("name", "version")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: int
    def __init__(self, name: _Optional[str] = ..., version: _Optional[int] = ...) -> None: ...

class GetDatasetResponse(_message.Message):
    __slots__ = ("dataset", "preview", "versions")
    DATASET_FIELD_NUMBER: _ClassVar[int]
    PREVIEW_FIELD_NUMBER: _ClassVar[int]
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    dataset: DatasetVersion
    preview: _containers.RepeatedCompositeFieldContainer[Row]
    versions: _containers.RepeatedCompositeFieldContainer[DatasetVersionSummary]
    def __init__(self, dataset: _Optional[_Union[DatasetVersion, _Mapping]] = ..., preview: _Optional[_Iterable[_Union[Row, _Mapping]]] = ..., versions: _Optional[_Iterable[_Union[DatasetVersionSummary, _Mapping]]] = ...) -> None: ...

class DeleteDatasetRequest(_message.Message):
    __slots__ = ("name", "version")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: int
    def __init__(self, name: _Optional[str] = ..., version: _Optional[int] = ...) -> None: ...

class DeleteDatasetResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
