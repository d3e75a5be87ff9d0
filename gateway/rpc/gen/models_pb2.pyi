import datetime

from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from . import datasets_pb2 as _datasets_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ModelOutput(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MODEL_OUTPUT_UNSPECIFIED: _ClassVar[ModelOutput]
    MODEL_OUTPUT_TEXT: _ClassVar[ModelOutput]
    MODEL_OUTPUT_EMBEDDING: _ClassVar[ModelOutput]
    MODEL_OUTPUT_CLASSIFICATION: _ClassVar[ModelOutput]
    MODEL_OUTPUT_GRADE: _ClassVar[ModelOutput]
MODEL_OUTPUT_UNSPECIFIED: ModelOutput
MODEL_OUTPUT_TEXT: ModelOutput
MODEL_OUTPUT_EMBEDDING: ModelOutput
MODEL_OUTPUT_CLASSIFICATION: ModelOutput
MODEL_OUTPUT_GRADE: ModelOutput

class Model(_message.Message):
    __slots__ = ("name", "output", "version", "labels", "context_window", "ready")
    NAME_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_WINDOW_FIELD_NUMBER: _ClassVar[int]
    READY_FIELD_NUMBER: _ClassVar[int]
    name: str
    output: ModelOutput
    version: str
    labels: _containers.RepeatedScalarFieldContainer[str]
    context_window: int
    ready: bool
    def __init__(self, name: _Optional[str] = ..., output: _Optional[_Union[ModelOutput, str]] = ..., version: _Optional[str] = ..., labels: _Optional[_Iterable[str]] = ..., context_window: _Optional[int] = ..., ready: _Optional[bool] = ...) -> None: ...

class Feature(_message.Message):
    __slots__ = ("name", "type")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    name: str
    type: _datasets_pb2.ColumnType
    def __init__(self, name: _Optional[str] = ..., type: _Optional[_Union[_datasets_pb2.ColumnType, str]] = ...) -> None: ...

class Signature(_message.Message):
    __slots__ = ("features", "target", "labels")
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    features: _containers.RepeatedCompositeFieldContainer[Feature]
    target: str
    labels: _containers.RepeatedCompositeFieldContainer[_datasets_pb2.Cell]
    def __init__(self, features: _Optional[_Iterable[_Union[Feature, _Mapping]]] = ..., target: _Optional[str] = ..., labels: _Optional[_Iterable[_Union[_datasets_pb2.Cell, _Mapping]]] = ...) -> None: ...

class Lineage(_message.Message):
    __slots__ = ("job_id", "dataset", "dvc_hash", "git_commit", "hyperparameters")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    DATASET_FIELD_NUMBER: _ClassVar[int]
    DVC_HASH_FIELD_NUMBER: _ClassVar[int]
    GIT_COMMIT_FIELD_NUMBER: _ClassVar[int]
    HYPERPARAMETERS_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    dataset: str
    dvc_hash: str
    git_commit: str
    hyperparameters: _struct_pb2.Struct
    def __init__(self, job_id: _Optional[str] = ..., dataset: _Optional[str] = ..., dvc_hash: _Optional[str] = ..., git_commit: _Optional[str] = ..., hyperparameters: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...

class ModelVersion(_message.Message):
    __slots__ = ("name", "version", "champion", "created_at", "sha256", "model_class", "signature", "metrics", "lineage", "run_url")
    class MetricsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    CHAMPION_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    MODEL_CLASS_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    LINEAGE_FIELD_NUMBER: _ClassVar[int]
    RUN_URL_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: int
    champion: bool
    created_at: _timestamp_pb2.Timestamp
    sha256: str
    model_class: str
    signature: Signature
    metrics: _containers.ScalarMap[str, float]
    lineage: Lineage
    run_url: str
    def __init__(self, name: _Optional[str] = ..., version: _Optional[int] = ..., champion: _Optional[bool] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., sha256: _Optional[str] = ..., model_class: _Optional[str] = ..., signature: _Optional[_Union[Signature, _Mapping]] = ..., metrics: _Optional[_Mapping[str, float]] = ..., lineage: _Optional[_Union[Lineage, _Mapping]] = ..., run_url: _Optional[str] = ...) -> None: ...

class Prediction(_message.Message):
    __slots__ = ("label", "confidence", "probabilities")
    class ProbabilitiesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    LABEL_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    PROBABILITIES_FIELD_NUMBER: _ClassVar[int]
    label: _datasets_pb2.Cell
    confidence: float
    probabilities: _containers.ScalarMap[str, float]
    def __init__(self, label: _Optional[_Union[_datasets_pb2.Cell, _Mapping]] = ..., confidence: _Optional[float] = ..., probabilities: _Optional[_Mapping[str, float]] = ...) -> None: ...

class ListModelsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListModelsResponse(_message.Message):
    __slots__ = ("models",)
    MODELS_FIELD_NUMBER: _ClassVar[int]
    models: _containers.RepeatedCompositeFieldContainer[Model]
    def __init__(self, models: _Optional[_Iterable[_Union[Model, _Mapping]]] = ...) -> None: ...

class ListModelVersionsRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class ListModelVersionsResponse(_message.Message):
    __slots__ = ("versions",)
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    versions: _containers.RepeatedCompositeFieldContainer[ModelVersion]
    def __init__(self, versions: _Optional[_Iterable[_Union[ModelVersion, _Mapping]]] = ...) -> None: ...

class PromoteModelRequest(_message.Message):
    __slots__ = ("name", "version")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: int
    def __init__(self, name: _Optional[str] = ..., version: _Optional[int] = ...) -> None: ...

class PromoteModelResponse(_message.Message):
    __slots__ = ("version",)
    VERSION_FIELD_NUMBER: _ClassVar[int]
    version: ModelVersion
    def __init__(self, version: _Optional[_Union[ModelVersion, _Mapping]] = ...) -> None: ...

class DeleteModelRequest(_message.Message):
    __slots__ = ("name", "version")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: int
    def __init__(self, name: _Optional[str] = ..., version: _Optional[int] = ...) -> None: ...

class DeleteModelResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class PredictRequest(_message.Message):
    __slots__ = ("name", "version", "instances")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    INSTANCES_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: int
    instances: _containers.RepeatedCompositeFieldContainer[_struct_pb2.Struct]
    def __init__(self, name: _Optional[str] = ..., version: _Optional[int] = ..., instances: _Optional[_Iterable[_Union[_struct_pb2.Struct, _Mapping]]] = ...) -> None: ...

class PredictResponse(_message.Message):
    __slots__ = ("predictions", "model_name", "model_version")
    PREDICTIONS_FIELD_NUMBER: _ClassVar[int]
    MODEL_NAME_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    predictions: _containers.RepeatedCompositeFieldContainer[Prediction]
    model_name: str
    model_version: str
    def __init__(self, predictions: _Optional[_Iterable[_Union[Prediction, _Mapping]]] = ..., model_name: _Optional[str] = ..., model_version: _Optional[str] = ...) -> None: ...

class PredictFraudRequest(_message.Message):
    __slots__ = ("instances",)
    INSTANCES_FIELD_NUMBER: _ClassVar[int]
    instances: _containers.RepeatedCompositeFieldContainer[_struct_pb2.Struct]
    def __init__(self, instances: _Optional[_Iterable[_Union[_struct_pb2.Struct, _Mapping]]] = ...) -> None: ...

class FraudPrediction(_message.Message):
    __slots__ = ("fraud", "probability")
    FRAUD_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    fraud: int
    probability: float
    def __init__(self, fraud: _Optional[int] = ..., probability: _Optional[float] = ...) -> None: ...

class PredictFraudResponse(_message.Message):
    __slots__ = ("predictions", "model_version")
    PREDICTIONS_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    predictions: _containers.RepeatedCompositeFieldContainer[FraudPrediction]
    model_version: str
    def __init__(self, predictions: _Optional[_Iterable[_Union[FraudPrediction, _Mapping]]] = ..., model_version: _Optional[str] = ...) -> None: ...

class PredictFraudScenarioRequest(_message.Message):
    __slots__ = ("instances",)
    INSTANCES_FIELD_NUMBER: _ClassVar[int]
    instances: _containers.RepeatedCompositeFieldContainer[_struct_pb2.Struct]
    def __init__(self, instances: _Optional[_Iterable[_Union[_struct_pb2.Struct, _Mapping]]] = ...) -> None: ...

class FraudScenarioPrediction(_message.Message):
    __slots__ = ("fraud_scenario", "probabilities")
    class ProbabilitiesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    FRAUD_SCENARIO_FIELD_NUMBER: _ClassVar[int]
    PROBABILITIES_FIELD_NUMBER: _ClassVar[int]
    fraud_scenario: int
    probabilities: _containers.ScalarMap[str, float]
    def __init__(self, fraud_scenario: _Optional[int] = ..., probabilities: _Optional[_Mapping[str, float]] = ...) -> None: ...

class PredictFraudScenarioResponse(_message.Message):
    __slots__ = ("predictions", "model_version")
    PREDICTIONS_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    predictions: _containers.RepeatedCompositeFieldContainer[FraudScenarioPrediction]
    model_version: str
    def __init__(self, predictions: _Optional[_Iterable[_Union[FraudScenarioPrediction, _Mapping]]] = ..., model_version: _Optional[str] = ...) -> None: ...
