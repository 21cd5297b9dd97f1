from google.protobuf import any_pb2 as _any_pb2
from proto.v1 import meta_pb2 as _meta_pb2
from proto.v1 import options_pb2 as _options_pb2
from proto.v1 import policy_pb2 as _policy_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Target(_message.Message):
    __slots__ = ("group", "resource", "namespace", "name", "subresource")
    GROUP_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    SUBRESOURCE_FIELD_NUMBER: _ClassVar[int]
    group: str
    resource: str
    namespace: str
    name: str
    subresource: str
    def __init__(self, group: _Optional[str] = ..., resource: _Optional[str] = ..., namespace: _Optional[str] = ..., name: _Optional[str] = ..., subresource: _Optional[str] = ...) -> None: ...

class WriteOptions(_message.Message):
    __slots__ = ("dryRun", "fieldManager", "fieldValidation")
    DRYRUN_FIELD_NUMBER: _ClassVar[int]
    FIELDMANAGER_FIELD_NUMBER: _ClassVar[int]
    FIELDVALIDATION_FIELD_NUMBER: _ClassVar[int]
    dryRun: bool
    fieldManager: str
    fieldValidation: str
    def __init__(self, dryRun: _Optional[bool] = ..., fieldManager: _Optional[str] = ..., fieldValidation: _Optional[str] = ...) -> None: ...

class GetRequest(_message.Message):
    __slots__ = ("target",)
    TARGET_FIELD_NUMBER: _ClassVar[int]
    target: Target
    def __init__(self, target: _Optional[_Union[Target, _Mapping]] = ...) -> None: ...

class ListRequest(_message.Message):
    __slots__ = ("target", "labelSelector", "fieldSelector", "limit", "continueToken", "resourceVersion", "resourceVersionMatch", "asTable", "includeObject")
    TARGET_FIELD_NUMBER: _ClassVar[int]
    LABELSELECTOR_FIELD_NUMBER: _ClassVar[int]
    FIELDSELECTOR_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    CONTINUETOKEN_FIELD_NUMBER: _ClassVar[int]
    RESOURCEVERSION_FIELD_NUMBER: _ClassVar[int]
    RESOURCEVERSIONMATCH_FIELD_NUMBER: _ClassVar[int]
    ASTABLE_FIELD_NUMBER: _ClassVar[int]
    INCLUDEOBJECT_FIELD_NUMBER: _ClassVar[int]
    target: Target
    labelSelector: str
    fieldSelector: str
    limit: int
    continueToken: str
    resourceVersion: str
    resourceVersionMatch: str
    asTable: bool
    includeObject: str
    def __init__(self, target: _Optional[_Union[Target, _Mapping]] = ..., labelSelector: _Optional[str] = ..., fieldSelector: _Optional[str] = ..., limit: _Optional[int] = ..., continueToken: _Optional[str] = ..., resourceVersion: _Optional[str] = ..., resourceVersionMatch: _Optional[str] = ..., asTable: _Optional[bool] = ..., includeObject: _Optional[str] = ...) -> None: ...

class ListResponse(_message.Message):
    __slots__ = ("metadata", "items", "table")
    METADATA_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    TABLE_FIELD_NUMBER: _ClassVar[int]
    metadata: _meta_pb2.ListMeta
    items: _containers.RepeatedCompositeFieldContainer[_any_pb2.Any]
    table: _meta_pb2.Table
    def __init__(self, metadata: _Optional[_Union[_meta_pb2.ListMeta, _Mapping]] = ..., items: _Optional[_Iterable[_Union[_any_pb2.Any, _Mapping]]] = ..., table: _Optional[_Union[_meta_pb2.Table, _Mapping]] = ...) -> None: ...

class WatchRequest(_message.Message):
    __slots__ = ("target", "labelSelector", "fieldSelector", "resourceVersion", "allowWatchBookmarks", "sendInitialEvents", "asTable", "includeObject")
    TARGET_FIELD_NUMBER: _ClassVar[int]
    LABELSELECTOR_FIELD_NUMBER: _ClassVar[int]
    FIELDSELECTOR_FIELD_NUMBER: _ClassVar[int]
    RESOURCEVERSION_FIELD_NUMBER: _ClassVar[int]
    ALLOWWATCHBOOKMARKS_FIELD_NUMBER: _ClassVar[int]
    SENDINITIALEVENTS_FIELD_NUMBER: _ClassVar[int]
    ASTABLE_FIELD_NUMBER: _ClassVar[int]
    INCLUDEOBJECT_FIELD_NUMBER: _ClassVar[int]
    target: Target
    labelSelector: str
    fieldSelector: str
    resourceVersion: str
    allowWatchBookmarks: bool
    sendInitialEvents: bool
    asTable: bool
    includeObject: str
    def __init__(self, target: _Optional[_Union[Target, _Mapping]] = ..., labelSelector: _Optional[str] = ..., fieldSelector: _Optional[str] = ..., resourceVersion: _Optional[str] = ..., allowWatchBookmarks: _Optional[bool] = ..., sendInitialEvents: _Optional[bool] = ..., asTable: _Optional[bool] = ..., includeObject: _Optional[str] = ...) -> None: ...

class WatchBatch(_message.Message):
    __slots__ = ("events",)
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[WatchEvent]
    def __init__(self, events: _Optional[_Iterable[_Union[WatchEvent, _Mapping]]] = ...) -> None: ...

class WatchEvent(_message.Message):
    __slots__ = ("type", "object", "row", "columnDefinitions")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    OBJECT_FIELD_NUMBER: _ClassVar[int]
    ROW_FIELD_NUMBER: _ClassVar[int]
    COLUMNDEFINITIONS_FIELD_NUMBER: _ClassVar[int]
    type: str
    object: _any_pb2.Any
    row: _meta_pb2.TableRow
    columnDefinitions: _containers.RepeatedCompositeFieldContainer[_meta_pb2.TableColumn]
    def __init__(self, type: _Optional[str] = ..., object: _Optional[_Union[_any_pb2.Any, _Mapping]] = ..., row: _Optional[_Union[_meta_pb2.TableRow, _Mapping]] = ..., columnDefinitions: _Optional[_Iterable[_Union[_meta_pb2.TableColumn, _Mapping]]] = ...) -> None: ...

class CreateRequest(_message.Message):
    __slots__ = ("target", "object", "options")
    TARGET_FIELD_NUMBER: _ClassVar[int]
    OBJECT_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    target: Target
    object: _any_pb2.Any
    options: WriteOptions
    def __init__(self, target: _Optional[_Union[Target, _Mapping]] = ..., object: _Optional[_Union[_any_pb2.Any, _Mapping]] = ..., options: _Optional[_Union[WriteOptions, _Mapping]] = ...) -> None: ...

class UpdateRequest(_message.Message):
    __slots__ = ("target", "object", "options")
    TARGET_FIELD_NUMBER: _ClassVar[int]
    OBJECT_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    target: Target
    object: _any_pb2.Any
    options: WriteOptions
    def __init__(self, target: _Optional[_Union[Target, _Mapping]] = ..., object: _Optional[_Union[_any_pb2.Any, _Mapping]] = ..., options: _Optional[_Union[WriteOptions, _Mapping]] = ...) -> None: ...

class PatchRequest(_message.Message):
    __slots__ = ("target", "patchType", "patch", "options")
    TARGET_FIELD_NUMBER: _ClassVar[int]
    PATCHTYPE_FIELD_NUMBER: _ClassVar[int]
    PATCH_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    target: Target
    patchType: str
    patch: bytes
    options: WriteOptions
    def __init__(self, target: _Optional[_Union[Target, _Mapping]] = ..., patchType: _Optional[str] = ..., patch: _Optional[bytes] = ..., options: _Optional[_Union[WriteOptions, _Mapping]] = ...) -> None: ...

class DeleteRequest(_message.Message):
    __slots__ = ("target", "deleteOptions", "options")
    TARGET_FIELD_NUMBER: _ClassVar[int]
    DELETEOPTIONS_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    target: Target
    deleteOptions: _meta_pb2.DeleteOptions
    options: WriteOptions
    def __init__(self, target: _Optional[_Union[Target, _Mapping]] = ..., deleteOptions: _Optional[_Union[_meta_pb2.DeleteOptions, _Mapping]] = ..., options: _Optional[_Union[WriteOptions, _Mapping]] = ...) -> None: ...

class DeleteCollectionRequest(_message.Message):
    __slots__ = ("target", "labelSelector", "fieldSelector", "deleteOptions", "options")
    TARGET_FIELD_NUMBER: _ClassVar[int]
    LABELSELECTOR_FIELD_NUMBER: _ClassVar[int]
    FIELDSELECTOR_FIELD_NUMBER: _ClassVar[int]
    DELETEOPTIONS_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    target: Target
    labelSelector: str
    fieldSelector: str
    deleteOptions: _meta_pb2.DeleteOptions
    options: WriteOptions
    def __init__(self, target: _Optional[_Union[Target, _Mapping]] = ..., labelSelector: _Optional[str] = ..., fieldSelector: _Optional[str] = ..., deleteOptions: _Optional[_Union[_meta_pb2.DeleteOptions, _Mapping]] = ..., options: _Optional[_Union[WriteOptions, _Mapping]] = ...) -> None: ...

class BatchRequest(_message.Message):
    __slots__ = ("items",)
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[BatchItem]
    def __init__(self, items: _Optional[_Iterable[_Union[BatchItem, _Mapping]]] = ...) -> None: ...

class BatchItem(_message.Message):
    __slots__ = ("create", "update", "patch", "delete")
    CREATE_FIELD_NUMBER: _ClassVar[int]
    UPDATE_FIELD_NUMBER: _ClassVar[int]
    PATCH_FIELD_NUMBER: _ClassVar[int]
    DELETE_FIELD_NUMBER: _ClassVar[int]
    create: CreateRequest
    update: UpdateRequest
    patch: PatchRequest
    delete: DeleteRequest
    def __init__(self, create: _Optional[_Union[CreateRequest, _Mapping]] = ..., update: _Optional[_Union[UpdateRequest, _Mapping]] = ..., patch: _Optional[_Union[PatchRequest, _Mapping]] = ..., delete: _Optional[_Union[DeleteRequest, _Mapping]] = ...) -> None: ...

class BatchResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[BatchResult]
    def __init__(self, results: _Optional[_Iterable[_Union[BatchResult, _Mapping]]] = ...) -> None: ...

class BatchResult(_message.Message):
    __slots__ = ("object", "error")
    OBJECT_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    object: _any_pb2.Any
    error: _meta_pb2.Status
    def __init__(self, object: _Optional[_Union[_any_pb2.Any, _Mapping]] = ..., error: _Optional[_Union[_meta_pb2.Status, _Mapping]] = ...) -> None: ...

class ReportMetricsRequest(_message.Message):
    __slots__ = ("reports",)
    REPORTS_FIELD_NUMBER: _ClassVar[int]
    reports: _containers.RepeatedCompositeFieldContainer[_policy_pb2.MetricsReport]
    def __init__(self, reports: _Optional[_Iterable[_Union[_policy_pb2.MetricsReport, _Mapping]]] = ...) -> None: ...

class ReportMetricsResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class RulesReport(_message.Message):
    __slots__ = ("node", "version")
    NODE_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    node: str
    version: int
    def __init__(self, node: _Optional[str] = ..., version: _Optional[int] = ...) -> None: ...

class ReportRulesResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class AwaitRulesRequest(_message.Message):
    __slots__ = ("version", "timeoutMilliseconds")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    TIMEOUTMILLISECONDS_FIELD_NUMBER: _ClassVar[int]
    version: int
    timeoutMilliseconds: int
    def __init__(self, version: _Optional[int] = ..., timeoutMilliseconds: _Optional[int] = ...) -> None: ...

class AwaitRulesResponse(_message.Message):
    __slots__ = ("behind",)
    BEHIND_FIELD_NUMBER: _ClassVar[int]
    behind: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, behind: _Optional[_Iterable[str]] = ...) -> None: ...

class VersionRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class VersionResponse(_message.Message):
    __slots__ = ("helmling", "kubernetes", "python", "platform", "cluster", "tokenPort", "port")
    HELMLING_FIELD_NUMBER: _ClassVar[int]
    KUBERNETES_FIELD_NUMBER: _ClassVar[int]
    PYTHON_FIELD_NUMBER: _ClassVar[int]
    PLATFORM_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_FIELD_NUMBER: _ClassVar[int]
    TOKENPORT_FIELD_NUMBER: _ClassVar[int]
    PORT_FIELD_NUMBER: _ClassVar[int]
    helmling: str
    kubernetes: str
    python: str
    platform: str
    cluster: str
    tokenPort: int
    port: int
    def __init__(self, helmling: _Optional[str] = ..., kubernetes: _Optional[str] = ..., python: _Optional[str] = ..., platform: _Optional[str] = ..., cluster: _Optional[str] = ..., tokenPort: _Optional[int] = ..., port: _Optional[int] = ...) -> None: ...

class ContainerTarget(_message.Message):
    __slots__ = ("namespace", "pod", "container")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    POD_FIELD_NUMBER: _ClassVar[int]
    CONTAINER_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    pod: str
    container: str
    def __init__(self, namespace: _Optional[str] = ..., pod: _Optional[str] = ..., container: _Optional[str] = ...) -> None: ...

class LogsRequest(_message.Message):
    __slots__ = ("target", "follow", "previous", "timestamps", "sinceSeconds", "sinceTime", "tailLines", "limitBytes")
    TARGET_FIELD_NUMBER: _ClassVar[int]
    FOLLOW_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_FIELD_NUMBER: _ClassVar[int]
    TIMESTAMPS_FIELD_NUMBER: _ClassVar[int]
    SINCESECONDS_FIELD_NUMBER: _ClassVar[int]
    SINCETIME_FIELD_NUMBER: _ClassVar[int]
    TAILLINES_FIELD_NUMBER: _ClassVar[int]
    LIMITBYTES_FIELD_NUMBER: _ClassVar[int]
    target: ContainerTarget
    follow: bool
    previous: bool
    timestamps: bool
    sinceSeconds: int
    sinceTime: str
    tailLines: int
    limitBytes: int
    def __init__(self, target: _Optional[_Union[ContainerTarget, _Mapping]] = ..., follow: _Optional[bool] = ..., previous: _Optional[bool] = ..., timestamps: _Optional[bool] = ..., sinceSeconds: _Optional[int] = ..., sinceTime: _Optional[str] = ..., tailLines: _Optional[int] = ..., limitBytes: _Optional[int] = ...) -> None: ...

class LogsResponse(_message.Message):
    __slots__ = ("data",)
    DATA_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    def __init__(self, data: _Optional[bytes] = ...) -> None: ...

class ExecRequest(_message.Message):
    __slots__ = ("open", "stdin", "closeStdin", "resize")
    OPEN_FIELD_NUMBER: _ClassVar[int]
    STDIN_FIELD_NUMBER: _ClassVar[int]
    CLOSESTDIN_FIELD_NUMBER: _ClassVar[int]
    RESIZE_FIELD_NUMBER: _ClassVar[int]
    open: ExecOpen
    stdin: bytes
    closeStdin: bool
    resize: TerminalSize
    def __init__(self, open: _Optional[_Union[ExecOpen, _Mapping]] = ..., stdin: _Optional[bytes] = ..., closeStdin: _Optional[bool] = ..., resize: _Optional[_Union[TerminalSize, _Mapping]] = ...) -> None: ...

class ExecOpen(_message.Message):
    __slots__ = ("target", "command", "stdin", "tty", "size")
    TARGET_FIELD_NUMBER: _ClassVar[int]
    COMMAND_FIELD_NUMBER: _ClassVar[int]
    STDIN_FIELD_NUMBER: _ClassVar[int]
    TTY_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    target: ContainerTarget
    command: _containers.RepeatedScalarFieldContainer[str]
    stdin: bool
    tty: bool
    size: TerminalSize
    def __init__(self, target: _Optional[_Union[ContainerTarget, _Mapping]] = ..., command: _Optional[_Iterable[str]] = ..., stdin: _Optional[bool] = ..., tty: _Optional[bool] = ..., size: _Optional[_Union[TerminalSize, _Mapping]] = ...) -> None: ...

class TerminalSize(_message.Message):
    __slots__ = ("width", "height")
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    width: int
    height: int
    def __init__(self, width: _Optional[int] = ..., height: _Optional[int] = ...) -> None: ...

class ExecResponse(_message.Message):
    __slots__ = ("stdout", "stderr", "exitCode")
    STDOUT_FIELD_NUMBER: _ClassVar[int]
    STDERR_FIELD_NUMBER: _ClassVar[int]
    EXITCODE_FIELD_NUMBER: _ClassVar[int]
    stdout: bytes
    stderr: bytes
    exitCode: int
    def __init__(self, stdout: _Optional[bytes] = ..., stderr: _Optional[bytes] = ..., exitCode: _Optional[int] = ...) -> None: ...

class PortForwardRequest(_message.Message):
    __slots__ = ("open", "data", "closeWrite")
    OPEN_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    CLOSEWRITE_FIELD_NUMBER: _ClassVar[int]
    open: PortForwardOpen
    data: bytes
    closeWrite: bool
    def __init__(self, open: _Optional[_Union[PortForwardOpen, _Mapping]] = ..., data: _Optional[bytes] = ..., closeWrite: _Optional[bool] = ...) -> None: ...

class PortForwardOpen(_message.Message):
    __slots__ = ("namespace", "pod", "port")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    POD_FIELD_NUMBER: _ClassVar[int]
    PORT_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    pod: str
    port: int
    def __init__(self, namespace: _Optional[str] = ..., pod: _Optional[str] = ..., port: _Optional[int] = ...) -> None: ...

class PortForwardResponse(_message.Message):
    __slots__ = ("data",)
    DATA_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    def __init__(self, data: _Optional[bytes] = ...) -> None: ...

class EncryptionStatusRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class EncryptionStatus(_message.Message):
    __slots__ = ("file", "rules", "plain", "behind", "lost", "unfinished", "shared", "refused")
    FILE_FIELD_NUMBER: _ClassVar[int]
    RULES_FIELD_NUMBER: _ClassVar[int]
    PLAIN_FIELD_NUMBER: _ClassVar[int]
    BEHIND_FIELD_NUMBER: _ClassVar[int]
    LOST_FIELD_NUMBER: _ClassVar[int]
    UNFINISHED_FIELD_NUMBER: _ClassVar[int]
    SHARED_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    file: str
    rules: _containers.RepeatedCompositeFieldContainer[EncryptionRule]
    plain: int
    behind: int
    lost: _containers.RepeatedCompositeFieldContainer[LostObject]
    unfinished: _containers.RepeatedScalarFieldContainer[str]
    shared: bool
    refused: str
    def __init__(self, file: _Optional[str] = ..., rules: _Optional[_Iterable[_Union[EncryptionRule, _Mapping]]] = ..., plain: _Optional[int] = ..., behind: _Optional[int] = ..., lost: _Optional[_Iterable[_Union[LostObject, _Mapping]]] = ..., unfinished: _Optional[_Iterable[str]] = ..., shared: _Optional[bool] = ..., refused: _Optional[str] = ...) -> None: ...

class EncryptionRule(_message.Message):
    __slots__ = ("resources", "keys")
    RESOURCES_FIELD_NUMBER: _ClassVar[int]
    KEYS_FIELD_NUMBER: _ClassVar[int]
    resources: _containers.RepeatedScalarFieldContainer[str]
    keys: _containers.RepeatedCompositeFieldContainer[EncryptionKey]
    def __init__(self, resources: _Optional[_Iterable[str]] = ..., keys: _Optional[_Iterable[_Union[EncryptionKey, _Mapping]]] = ...) -> None: ...

class EncryptionKey(_message.Message):
    __slots__ = ("provider", "name", "objects")
    PROVIDER_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    OBJECTS_FIELD_NUMBER: _ClassVar[int]
    provider: str
    name: str
    objects: int
    def __init__(self, provider: _Optional[str] = ..., name: _Optional[str] = ..., objects: _Optional[int] = ...) -> None: ...

class LostObject(_message.Message):
    __slots__ = ("object", "why")
    OBJECT_FIELD_NUMBER: _ClassVar[int]
    WHY_FIELD_NUMBER: _ClassVar[int]
    object: str
    why: str
    def __init__(self, object: _Optional[str] = ..., why: _Optional[str] = ...) -> None: ...

class RotateKeyRequest(_message.Message):
    __slots__ = ("onlyServer",)
    ONLYSERVER_FIELD_NUMBER: _ClassVar[int]
    onlyServer: bool
    def __init__(self, onlyServer: _Optional[bool] = ...) -> None: ...

class ReencryptRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class RemoveKeyRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class KeyProgress(_message.Message):
    __slots__ = ("step", "done", "total")
    STEP_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    step: str
    done: int
    total: int
    def __init__(self, step: _Optional[str] = ..., done: _Optional[int] = ..., total: _Optional[int] = ...) -> None: ...
