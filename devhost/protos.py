"""The messages that Microsoft's worker library exchanges with its host, as plain classes.

In Azure these are protobuf messages over gRPC. The library only reads and builds attributes of them, and takes the
namespace that holds the classes as an argument, so this module is passed as that namespace: names and members are
those of azure-functions-language-worker-protobuf's FunctionRpc.proto.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ClassVar, Literal


class TypedData:
    """A value of exactly one kind; kinds that are not set raise AttributeError, which the worker library relies on."""

    __slots__ = ("_kind", "_value")

    def __init__(self, **one: Any) -> None:
        self._kind: str | None = None
        self._value: Any = None
        if one:
            ((self._kind, self._value),) = one.items()

    def WhichOneof(self, _group: Literal["data"]) -> str | None:  # noqa: N802  protobuf's own name
        return self._kind

    def __getattr__(self, name: str) -> Any:
        if name == self._kind:
            return self._value
        raise AttributeError(name)

    def __repr__(self) -> str:
        return f"TypedData({self._kind}={self._value!r})"


@dataclass(slots=True)
class ParameterBinding:
    name: str
    data: TypedData | None

    def WhichOneof(self, _group: Literal["rpc_data"]) -> str:  # noqa: N802  protobuf's own name
        return "data"


@dataclass(slots=True)
class NullableString:
    value: str


@dataclass(slots=True)
class NullableBool:
    value: bool


@dataclass(slots=True)
class NullableDouble:
    value: float


@dataclass(slots=True)
class Timestamp:
    seconds: int


@dataclass(slots=True)
class NullableTimestamp:
    value: Timestamp


class _SameSite:
    Lax: ClassVar = "Lax"
    Strict: ClassVar = "Strict"
    ExplicitNone: ClassVar = "None"


setattr(_SameSite, "None", None)  # a keyword, so that it cannot be written as a member


@dataclass(slots=True)
class RpcHttpCookie:
    SameSite: ClassVar = _SameSite

    name: str
    value: str
    domain: NullableString | None = None
    path: NullableString | None = None
    expires: NullableTimestamp | None = None
    secure: NullableBool | None = None
    http_only: NullableBool | None = None
    same_site: str | None = None
    max_age: NullableDouble | None = None


@dataclass(slots=True)
class RpcHttp:
    method: str = ""
    url: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    body: TypedData = field(default_factory=TypedData)
    status_code: str = ""
    cookies: Sequence[RpcHttpCookie] | None = None
    enable_content_negotiation: bool = False


@dataclass(slots=True)
class RpcException:
    message: str = ""
    stack_trace: str = ""
    source: str = ""


@dataclass(slots=True)
class StatusResult:
    Failure: ClassVar = 0
    Success: ClassVar = 1

    status: int
    exception: RpcException | None = None


@dataclass(slots=True)
class BindingInfo:
    # The directions and data types by number, as azure-functions' decorators spell them.
    out: ClassVar = 1
    inout: ClassVar = 2
    undefined: ClassVar = 0

    type: str
    data_type: Any
    direction: int


@dataclass(slots=True)
class RpcRetryOptions:
    max_retry_count: int
    retry_strategy: str
    delay_interval: timedelta | None = None
    minimum_interval: timedelta | None = None
    maximum_interval: timedelta | None = None


@dataclass(slots=True)
class RpcFunctionMetadata:
    name: str
    function_id: str
    managed_dependency_enabled: bool
    directory: str
    script_file: str
    entry_point: str
    is_proxy: bool
    language: str
    bindings: Mapping[str, BindingInfo]
    raw_bindings: Sequence[str]
    retry_options: RpcRetryOptions | None
    properties: Mapping[str, str]


@dataclass(slots=True)
class WorkerMetadata:
    runtime_name: str
    runtime_version: str
    worker_version: str
    worker_bitness: str
    custom_properties: Mapping[str, str]


@dataclass(slots=True)
class WorkerInitResponse:
    capabilities: Mapping[str, str]
    worker_metadata: WorkerMetadata
    result: StatusResult


@dataclass(slots=True)
class FunctionMetadataResponse:
    use_default_metadata_indexing: bool
    function_metadata_results: Sequence[RpcFunctionMetadata] | None
    result: StatusResult


@dataclass(slots=True)
class FunctionLoadResponse:
    function_id: str
    result: StatusResult


@dataclass(slots=True)
class InvocationResponse:
    invocation_id: str
    result: StatusResult
    return_value: TypedData | None = None
    output_data: Sequence[ParameterBinding] = ()


# What the host sends. The library reads these members and no others.


@dataclass(slots=True)
class WorkerInitRequest:
    function_app_directory: str
    capabilities: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class FunctionLoadRequest:
    function_id: str


@dataclass(slots=True)
class TraceContext:
    trace_parent: str = ""
    trace_state: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class RetryContext:
    retry_count: int = 0
    max_retry_count: int = 0
    exception: RpcException = field(default_factory=RpcException)


@dataclass(slots=True)
class InvocationRequest:
    invocation_id: str
    function_id: str
    input_data: Sequence[ParameterBinding]
    trigger_metadata: Mapping[str, TypedData]
    trace_context: TraceContext = field(default_factory=TraceContext)
    retry_context: RetryContext = field(default_factory=RetryContext)


@dataclass(slots=True)
class StreamingMessage:
    """One of the requests above; the library picks it by its member name."""

    worker_init_request: WorkerInitRequest | None = None
    function_load_request: FunctionLoadRequest | None = None
    invocation_request: InvocationRequest | None = None


@dataclass(slots=True)
class WorkerRequest:
    request: StreamingMessage
    properties: Mapping[str, Any] = field(default_factory=dict)
