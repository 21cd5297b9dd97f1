"""Everything that can be wrong with a new pod, in the words in which it is told."""

from typing import Any

import pytest

from api.jsonform import from_json
from control_plane.apiserver.validation.pod import validate_binding
from proto.v1.pod_pb2 import Binding
from tests.manifests import complaints, container

C = "spec.containers[0]"
LABEL = "a lowercase RFC 1123 label must consist of"


def spec(**fields: Any) -> dict[str, Any]:
    return {"spec": fields}


def two(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """A pod with two containers."""
    return spec(
        containers=[{"name": "a", "image": "i", **first}, {"name": "b", "image": "i", **second}]
    )


def init(*containers: dict[str, Any]) -> dict[str, Any]:
    return spec(
        initContainers=[
            {"name": f"i{at}", "image": "i", **each} for at, each in enumerate(containers)
        ]
    )


def volumes(*each: dict[str, Any]) -> dict[str, Any]:
    return spec(volumes=[{"name": f"v{at}", **source} for at, source in enumerate(each)])


def mounted(*mounts: dict[str, Any], **fields: Any) -> dict[str, Any]:
    change = container(volumeMounts=list(mounts), **fields)
    change["spec"]["volumes"] = [{"name": "v", "emptyDir": {}}]
    return change


def node_affinity(
    *expressions: dict[str, Any], fields: list[dict[str, Any]] | None = None
) -> dict[str, Any]:
    term = {"matchExpressions": list(expressions), "matchFields": fields or []}
    required = {"nodeSelectorTerms": [term]}
    return spec(
        affinity={"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}
    )


def anti_affinity(**term: Any) -> dict[str, Any]:
    required = [{"topologyKey": "zone", **term}]
    return spec(
        affinity={"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}
    )


def spread(*constraints: dict[str, Any]) -> dict[str, Any]:
    base = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}
    return spec(topologySpreadConstraints=[{**base, **each} for each in constraints])


def env(**variable: Any) -> dict[str, Any]:
    return container(env=[{"name": "A", **variable}])


def field(path: str) -> dict[str, Any]:
    return {"fieldRef": {"fieldPath": path}}


FINE: list[tuple[str, dict[str, Any]]] = [
    (
        "names of ports differ",
        container(ports=[{"containerPort": 80, "name": "a"}, {"containerPort": 81, "name": "b"}]),
    ),
    (
        "one number for two protocols",
        container(ports=[{"containerPort": 53}, {"containerPort": 53, "protocol": "UDP"}]),
    ),
    (
        "host ports on different addresses",
        container(
            ports=[
                {"containerPort": 1, "hostPort": 80, "hostIP": "10.0.0.1"},
                {"containerPort": 2, "hostPort": 80, "hostIP": "10.0.0.2"},
            ]
        ),
    ),
    (
        "plain init containers run alone",
        init(
            {"ports": [{"containerPort": 1, "hostPort": 80}]},
            {"ports": [{"containerPort": 1, "hostPort": 80}]},
        ),
    ),
    (
        "a sidecar has probes and hooks",
        init(
            {
                "restartPolicy": "Always",
                "livenessProbe": {"tcpSocket": {"port": 1}},
                "lifecycle": {"postStart": {"sleep": {"seconds": 0}}},
            }
        ),
    ),
    ("variables from fields", env(valueFrom=field("status.podIP"))),
    ("variables from a label", env(valueFrom=field("metadata.labels['example.com/app']"))),
    (
        "variables from limits",
        env(valueFrom={"resourceFieldRef": {"resource": "limits.cpu", "divisor": "1m"}}),
    ),
    ("odd but printable variable names", container(env=[{"name": "my var-1.x"}])),
    (
        "requests below limits",
        container(resources={"limits": {"cpu": "1"}, "requests": {"cpu": "999m"}}),
    ),
    ("resources of others", container(resources={"limits": {"example.com/gpu": "2"}})),
    ("parts of bytes that people write", container(resources={"limits": {"memory": "0.1Gi"}})),
    (
        "a probe by name of port",
        container(readinessProbe={"httpGet": {"port": "http"}, "successThreshold": 3}),
    ),
    (
        "a mount below another",
        mounted(
            {"name": "v", "mountPath": "/a"}, {"name": "v", "mountPath": "/a/b", "subPath": "x/y"}
        ),
    ),
    ("tolerate everything", spec(tolerations=[{"operator": "Exists"}])),
    (
        "stay a while",
        spec(
            tolerations=[
                {"key": "a", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": -1}
            ]
        ),
    ),
    (
        "node affinity",
        node_affinity(
            {"key": "a", "operator": "In", "values": ["x"]},
            {"key": "b", "operator": "Exists"},
            {"key": "c", "operator": "Gt", "values": ["-5"]},
        ),
    ),
    (
        "one node by name",
        node_affinity(fields=[{"key": "metadata.name", "operator": "In", "values": ["n1"]}]),
    ),
    (
        "anti-affinity",
        anti_affinity(labelSelector={"matchLabels": {"a": "b"}}, namespaceSelector={}),
    ),
    ("two wishes for one key", spread({}, {"whenUnsatisfiable": "ScheduleAnyway"})),
    (
        "own name servers",
        spec(
            dnsPolicy="None",
            dnsConfig={"nameservers": ["1.1.1.1"], "searches": ["a.b.", "_x.c", "."]},
        ),
    ),
    (
        "sysctls",
        spec(
            securityContext={
                "sysctls": [{"name": "net.core.somaxconn", "value": "1"}, {"name": "a/b"}]
            }
        ),
    ),
    ("aliases", spec(hostAliases=[{"ip": "::1", "hostnames": ["db.local"]}])),
    (
        "all volumes",
        volumes(
            {"emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}},
            {"hostPath": {"path": "/x", "type": "File"}},
            {
                "downwardAPI": {
                    "items": [{"path": "a/b", "fieldRef": {"fieldPath": "metadata.labels"}}]
                }
            },
        ),
    ),
    ("an overhead", spec(overhead={"cpu": "10m"})),
]


@pytest.mark.parametrize("change", [case[1] for case in FINE], ids=[case[0] for case in FINE])
def test_this_is_fine(change: dict[str, Any]) -> None:
    assert complaints("Pod", change) == []


WRONG: list[tuple[dict[str, Any], str]] = [
    # containers
    (spec(containers=[]), "spec.containers: Required value"),
    (container(name=None), f"{C}.name: Required value"),
    (container(image=None), f"{C}.image: Required value"),
    (container(name="Web"), f'{C}.name: Invalid value: "Web": {LABEL}'),
    (
        container(image=" i"),
        f'{C}.image: Invalid value: " i": must not have leading or trailing whitespace',
    ),
    (two({}, {"name": "a"}), 'spec.containers[1].name: Duplicate value: "a"'),
    (init({"name": "a"}), f'{C}.name: Duplicate value: "a"'),
    (
        container(imagePullPolicy="always"),
        f'{C}.imagePullPolicy: Unsupported value: "always": supported values: "Always", "IfNotPresent", "Never"; '
        'did you mean "Always"?',
    ),
    (
        container(terminationMessagePath="log"),
        f'{C}.terminationMessagePath: Invalid value: "log": must be an absolute path',
    ),
    (
        container(restartPolicy="Always"),
        f"{C}.restartPolicy: Forbidden: may not be set for non-init containers",
    ),
    (
        spec(restartPolicy="Sometimes"),
        'spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "OnFailure", "Never"',
    ),
    # ports
    (
        container(ports=[{}]),
        f"{C}.ports[0].containerPort: Required value: must be between 1 and 65535, inclusive",
    ),
    (
        container(ports=[{"containerPort": 65536}]),
        f"{C}.ports[0].containerPort: Invalid value: 65536: must be between 1 and 65535, inclusive",
    ),
    (
        container(ports=[{"containerPort": 1, "hostPort": -1}]),
        f"{C}.ports[0].hostPort: Invalid value: -1: must be between 0 and 65535, inclusive",
    ),
    (
        container(ports=[{"containerPort": 1, "name": "a"}, {"containerPort": 2, "name": "a"}]),
        f'{C}.ports[1].name: Duplicate value: "a"',
    ),
    (
        container(ports=[{"containerPort": 1, "name": "much-too-long-name"}]),
        f'{C}.ports[0].name: Invalid value: "much-too-long-name": must be no more than 15 bytes',
    ),
    (
        container(ports=[{"containerPort": 1, "protocol": "tcp"}]),
        f'{C}.ports[0].protocol: Unsupported value: "tcp"',
    ),
    (
        container(ports=[{"containerPort": 1, "hostIP": "1.2.3"}]),
        f'{C}.ports[0].hostIP: Invalid value: "1.2.3": must be a valid IP address',
    ),
    (
        two(
            {"ports": [{"containerPort": 1, "hostPort": 80}]},
            {"ports": [{"containerPort": 2, "hostPort": 80}]},
        ),
        'spec.containers[1].ports[0].hostPort: Duplicate value: "TCP//80"',
    ),
    (
        {
            "spec": {
                "hostNetwork": True,
                "containers": [
                    {"name": "a", "image": "i", "ports": [{"containerPort": 1, "hostPort": 2}]}
                ],
            }
        },
        f"{C}.ports[0].containerPort: Invalid value: 1: must match `hostPort` when `hostNetwork` is true",
    ),
    # environment
    (container(env=[{"value": "x"}]), f"{C}.env[0].name: Required value"),
    (
        container(env=[{"name": "a=b"}]),
        f'{C}.env[0].name: Invalid value: "a=b": a valid environment variable name',
    ),
    (
        env(value="x", valueFrom=field("metadata.name")),
        f'{C}.env[0].valueFrom: Invalid value: "": may not be specified when `value` is not empty',
    ),
    (
        env(valueFrom={}),
        f'{C}.env[0].valueFrom: Invalid value: "": must specify one of: `fieldRef`, `resourceFieldRef`',
    ),
    (
        env(valueFrom={**field("metadata.name"), "resourceFieldRef": {"resource": "limits.cpu"}}),
        f'{C}.env[0].valueFrom: Invalid value: "": may not have more than one field specified at a time',
    ),
    (
        env(valueFrom=field("metadata.nam")),
        f'{C}.env[0].valueFrom.fieldRef.fieldPath: Unsupported value: "metadata.nam": supported values: "metadata.name"',
    ),
    (
        env(valueFrom=field("metadata.labels")),
        f'{C}.env[0].valueFrom.fieldRef.fieldPath: Unsupported value: "metadata.labels"',
    ),
    (
        env(valueFrom=field("metadata.labels['a b']")),
        f'{C}.env[0].valueFrom.fieldRef.fieldPath: Invalid value: "a b": name part must consist of',
    ),
    (
        env(valueFrom={"fieldRef": {"apiVersion": "v2", "fieldPath": "metadata.name"}}),
        f'{C}.env[0].valueFrom.fieldRef.apiVersion: Unsupported value: "v2": supported values: "v1"',
    ),
    (
        env(valueFrom={"resourceFieldRef": {"resource": "limits.gpu"}}),
        f'{C}.env[0].valueFrom.resourceFieldRef.resource: Unsupported value: "limits.gpu"',
    ),
    (
        env(valueFrom={"resourceFieldRef": {"resource": "limits.cpu", "divisor": "1Mi"}}),
        f'{C}.env[0].valueFrom.resourceFieldRef.divisor: Invalid value: "1Mi": only divisor\'s values 1m, 1 are supported '
        "with the cpu resource",
    ),
    # resources
    (
        container(resources={"limits": {"cpu": "lots"}}),
        f'{C}.resources.limits[cpu]: Invalid value: "lots": quantities must match the regular expression',
    ),
    (
        container(resources={"requests": {"cpu": "-1"}}),
        f'{C}.resources.requests[cpu]: Invalid value: "-1": must be greater than or equal to 0',
    ),
    (
        container(resources={"limits": {"cpu": "1"}, "requests": {"cpu": "2"}}),
        f'{C}.resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1',
    ),
    (
        container(resources={"limits": {"gpu": "1"}}),
        f'{C}.resources.limits[gpu]: Invalid value: "gpu": must be one of cpu, memory, ephemeral-storage, or fully qualified',
    ),
    (
        container(resources={"limits": {"hugepages-2Mi": "2Mi"}}),
        f'{C}.resources.limits[hugepages-2Mi]: Invalid value: "hugepages-2Mi": huge pages are not supported here',
    ),
    (
        container(resources={"limits": {"memory": "400m"}}),
        f'{C}.resources.limits[memory]: Invalid value: "400m": "m" means thousandths, so this is less than one byte',
    ),
    (
        container(resources={"limits": {"example.com/gpu": "1500m"}}),
        f'{C}.resources.limits[example.com/gpu]: Invalid value: "1500m": must be an integer',
    ),
    (
        container(resources={"requests": {"example.com/gpu": "1"}}),
        f"{C}.resources.limits: Required value: Limit must be set for non overcommitable resources",
    ),
    (
        container(
            resources={"requests": {"example.com/gpu": "1"}, "limits": {"example.com/gpu": "2"}}
        ),
        f'{C}.resources.requests: Invalid value: "1": must be equal to example.com/gpu limit of 2',
    ),
    # probes and hooks
    (
        container(livenessProbe={}),
        f"{C}.livenessProbe: Required value: must specify a handler type",
    ),
    (
        container(livenessProbe={"exec": {"command": ["a"]}, "tcpSocket": {"port": 1}}),
        f"{C}.livenessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type",
    ),
    (container(livenessProbe={"exec": {}}), f"{C}.livenessProbe.exec.command: Required value"),
    (container(livenessProbe={"httpGet": {}}), f"{C}.livenessProbe.httpGet.port: Required value"),
    (
        container(livenessProbe={"httpGet": {"port": 70000}}),
        f"{C}.livenessProbe.httpGet.port: Invalid value: 70000: must be between 1 and 65535, inclusive",
    ),
    (
        container(livenessProbe={"httpGet": {"port": "Http_"}}),
        f'{C}.livenessProbe.httpGet.port: Invalid value: "Http_": must contain only alpha-numeric characters',
    ),
    (
        container(livenessProbe={"httpGet": {"port": 1, "httpHeaders": [{"name": "X Y"}]}}),
        f'{C}.livenessProbe.httpGet.httpHeaders[0].name: Invalid value: "X Y": a valid HTTP header must consist',
    ),
    (
        container(livenessProbe={"httpGet": {"port": 1, "scheme": "http"}}),
        f'{C}.livenessProbe.httpGet.scheme: Unsupported value: "http": supported values: "HTTP", "HTTPS"; did you mean "HTTP"?',
    ),
    (
        container(livenessProbe={"tcpSocket": {"port": 1}, "successThreshold": 2}),
        f"{C}.livenessProbe.successThreshold: Invalid value: 2: must be 1",
    ),
    (
        container(startupProbe={"tcpSocket": {"port": 1}, "successThreshold": 2}),
        f"{C}.startupProbe.successThreshold: Invalid value: 2: must be 1",
    ),
    (
        container(livenessProbe={"tcpSocket": {"port": 1}, "periodSeconds": -1}),
        f"{C}.livenessProbe.periodSeconds: Invalid value: -1: must be greater than or equal to 0",
    ),
    (
        container(readinessProbe={"tcpSocket": {"port": 1}, "terminationGracePeriodSeconds": 5}),
        f"{C}.readinessProbe.terminationGracePeriodSeconds: Invalid value: 5: must not be set for readinessProbes",
    ),
    (container(livenessProbe={"grpc": {}}), f"{C}.livenessProbe.grpc.port: Required value"),
    (
        container(lifecycle={"preStop": {}}),
        f"{C}.lifecycle.preStop: Required value: must specify a handler type",
    ),
    (
        container(lifecycle={"preStop": {"sleep": {"seconds": 31}}}),
        f"{C}.lifecycle.preStop.sleep.seconds: Invalid value: 31: must be non-negative and less than "
        "terminationGracePeriodSeconds (30)",
    ),
    (
        init({"livenessProbe": {"tcpSocket": {"port": 1}}}),
        "spec.initContainers[0].livenessProbe: Forbidden: may not be set for init containers without restartPolicy=Always",
    ),
    (
        init({"lifecycle": {"preStop": {"exec": {"command": ["x"]}}}}),
        "spec.initContainers[0].lifecycle: Forbidden: may not be set for init containers without restartPolicy=Always",
    ),
    (
        init({"restartPolicy": "Never"}),
        'spec.initContainers[0].restartPolicy: Unsupported value: "Never": supported values: "Always"',
    ),
    # volumes and mounts
    (
        volumes({"emptyDir": {}, "hostPath": {"path": "/"}}),
        "spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type",
    ),
    (spec(volumes=[{"name": "v"}, {"name": "v"}]), 'spec.volumes[1].name: Duplicate value: "v"'),
    (
        spec(volumes=[{"name": "V", "emptyDir": {}}]),
        f'spec.volumes[0].name: Invalid value: "V": {LABEL}',
    ),
    (volumes({"hostPath": {}}), "spec.volumes[0].hostPath.path: Required value"),
    (
        volumes({"hostPath": {"path": "/a/../b"}}),
        "spec.volumes[0].hostPath.path: Invalid value: \"/a/../b\": must not contain '..'",
    ),
    (
        volumes({"hostPath": {"path": "/", "type": "Dir"}}),
        'spec.volumes[0].hostPath.type: Unsupported value: "Dir"',
    ),
    (
        volumes({"emptyDir": {"medium": "Disk"}}),
        'spec.volumes[0].emptyDir.medium: Unsupported value: "Disk"',
    ),
    (
        volumes({"emptyDir": {"sizeLimit": "-1"}}),
        'spec.volumes[0].emptyDir.sizeLimit: Invalid value: "-1": must be greater than or equal to 0',
    ),
    (
        volumes(
            {"downwardAPI": {"items": [{"path": "/a", "fieldRef": {"fieldPath": "metadata.name"}}]}}
        ),
        'spec.volumes[0].downwardAPI.items[0].path: Invalid value: "/a": must be a relative path',
    ),
    (
        volumes({"downwardAPI": {"items": [{"path": "a"}]}}),
        "spec.volumes[0].downwardAPI.items[0].fieldRef: Required value: one of fieldRef and resourceFieldRef is required",
    ),
    (
        volumes(
            {"downwardAPI": {"items": [{"path": "a", "fieldRef": {"fieldPath": "status.podIP"}}]}}
        ),
        'spec.volumes[0].downwardAPI.items[0].fieldRef.fieldPath: Unsupported value: "status.podIP"',
    ),
    (
        volumes(
            {
                "downwardAPI": {
                    "items": [{"path": "a", "resourceFieldRef": {"resource": "limits.cpu"}}]
                }
            }
        ),
        "spec.volumes[0].downwardAPI.items[0].resourceFieldRef.containerName: Required value",
    ),
    (
        volumes({"downwardAPI": {"defaultMode": 512}}),
        "spec.volumes[0].downwardAPI.defaultMode: Invalid value: 512: must be between 0 and 511, inclusive",
    ),
    (mounted({"name": "w", "mountPath": "/a"}), f'{C}.volumeMounts[0].name: Not found: "w"'),
    (mounted({"name": "v"}), f"{C}.volumeMounts[0].mountPath: Required value"),
    (
        mounted({"name": "v", "mountPath": "/a"}, {"name": "v", "mountPath": "/a"}),
        f'{C}.volumeMounts[1].mountPath: Invalid value: "/a": must be unique',
    ),
    (
        mounted({"name": "v", "mountPath": "/a:b"}),
        f"{C}.volumeMounts[0].mountPath: Invalid value: \"/a:b\": must not contain ':'",
    ),
    (
        mounted({"name": "v", "mountPath": "/a", "subPath": "/x"}),
        f'{C}.volumeMounts[0].subPath: Invalid value: "/x": must be a relative path',
    ),
    (
        mounted({"name": "v", "mountPath": "/a", "subPath": "x/../../y"}),
        f"{C}.volumeMounts[0].subPath: Invalid value: \"x/../../y\": must not contain '..'",
    ),
    (
        mounted({"name": "v", "mountPath": "/a", "subPath": "x", "subPathExpr": "y"}),
        f'{C}.volumeMounts[0].subPathExpr: Invalid value: "y": subPathExpr and subPath are mutually exclusive',
    ),
    (
        mounted({"name": "v", "mountPath": "/a", "mountPropagation": "Bidirectional"}),
        f"{C}.volumeMounts[0].mountPropagation: Forbidden: Bidirectional mount propagation is available only to privileged",
    ),
    # security
    (
        container(securityContext={"privileged": True, "allowPrivilegeEscalation": False}),
        f"{C}.securityContext: Invalid value: cannot set `allowPrivilegeEscalation` to false and `privileged` to true",
    ),
    (
        container(
            securityContext={
                "capabilities": {"add": ["SYS_ADMIN"]},
                "allowPrivilegeEscalation": False,
            }
        ),
        f"{C}.securityContext: Invalid value: cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN",
    ),
    (
        container(securityContext={"runAsUser": -1}),
        f"{C}.securityContext.runAsUser: Invalid value: -1: must be between 0 and 2147483647, inclusive",
    ),
    (
        container(securityContext={"seccompProfile": {}}),
        f"{C}.securityContext.seccompProfile.type: Required value",
    ),
    (
        spec(securityContext={"supplementalGroups": [-1]}),
        "spec.securityContext.supplementalGroups[0]: Invalid value: -1: must be between 0 and 2147483647, inclusive",
    ),
    (
        spec(securityContext={"sysctls": [{"name": "a"}, {"name": "a"}]}),
        'spec.securityContext.sysctls[1].name: Duplicate value: "a"',
    ),
    (
        spec(securityContext={"sysctls": [{"name": "A b"}]}),
        'spec.securityContext.sysctls[0].name: Invalid value: "A b": must have the form of',
    ),
    (
        spec(hostNetwork=True, securityContext={"sysctls": [{"name": "net.core.somaxconn"}]}),
        "spec.securityContext.sysctls[0].name: Invalid value: \"net.core.somaxconn\": may not be specified when 'hostNetwork'",
    ),
    (
        spec(hostIPC=True, securityContext={"sysctls": [{"name": "kernel.shmmax"}]}),
        "spec.securityContext.sysctls[0].name: Invalid value: \"kernel.shmmax\": may not be specified when 'hostIPC'",
    ),
    (
        spec(hostPID=True, shareProcessNamespace=True),
        "spec.shareProcessNamespace: Invalid value: true: ShareProcessNamespace and HostPID cannot both be enabled",
    ),
    # scheduling
    (
        spec(nodeSelector={"a b": "c"}),
        'spec.nodeSelector: Invalid value: "a b": name part must consist of',
    ),
    (spec(nodeName="N 1"), 'spec.nodeName: Invalid value: "N 1": a lowercase RFC 1123 subdomain'),
    (
        node_affinity({"key": "a", "operator": "In"}),
        "nodeSelectorTerms[0].matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'",
    ),
    (
        node_affinity({"key": "a", "operator": "Exists", "values": ["x"]}),
        "matchExpressions[0].values: Forbidden: may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
    ),
    (
        node_affinity({"key": "a", "operator": "Gt", "values": ["1", "2"]}),
        "matchExpressions[0].values: Required value: must be specified single value when `operator` is 'Lt' or 'Gt'",
    ),
    (
        node_affinity({"key": "a", "operator": "Lt", "values": ["many"]}),
        'matchExpressions[0].values[0]: Invalid value: "many": must be an integer',
    ),
    (
        node_affinity({"key": "a", "operator": "Is"}),
        'matchExpressions[0].operator: Unsupported value: "Is"',
    ),
    (node_affinity({"operator": "Exists"}), "matchExpressions[0].key: Required value"),
    (
        node_affinity(fields=[{"key": "spec.x", "operator": "In", "values": ["a"]}]),
        'matchFields[0].key: Invalid value: "spec.x": not a valid field selector key',
    ),
    (
        node_affinity(fields=[{"key": "metadata.name", "operator": "In", "values": ["a", "b"]}]),
        "matchFields[0].values: Required value: must be only one value",
    ),
    (
        node_affinity(fields=[{"key": "metadata.name", "operator": "Exists"}]),
        'matchFields[0].operator: Unsupported value: "Exists": supported values: "In", "NotIn"',
    ),
    (
        spec(affinity={"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {}}}),
        "requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms: Required value",
    ),
    (
        spec(
            affinity={
                "nodeAffinity": {
                    "preferredDuringSchedulingIgnoredDuringExecution": [
                        {
                            "weight": 101,
                            "preference": {
                                "matchExpressions": [{"key": "a", "operator": "Exists"}]
                            },
                        }
                    ]
                }
            }
        ),
        "preferredDuringSchedulingIgnoredDuringExecution[0].weight: Invalid value: 101: must be between 1 and 100, inclusive",
    ),
    (
        anti_affinity(topologyKey=None),
        "requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey: Required value",
    ),
    (anti_affinity(namespaces=["Up"]), f'[0].namespaces[0]: Invalid value: "Up": {LABEL}'),
    (
        anti_affinity(labelSelector={"matchExpressions": [{"key": "a", "operator": "In"}]}),
        "labelSelector.matchExpressions[0].values: Required value: must be specified when `operator`",
    ),
    (
        anti_affinity(labelSelector={"matchLabels": {"a": "-"}}),
        'labelSelector.matchLabels: Invalid value: "-": a valid label',
    ),
    (
        anti_affinity(matchLabelKeys=["a"]),
        "[0].matchLabelKeys: Forbidden: must not be specified when labelSelector is not set",
    ),
    (
        anti_affinity(labelSelector={}, matchLabelKeys=["a"], mismatchLabelKeys=["a"]),
        '[0].matchLabelKeys: Invalid value: "a": exists in both matchLabelKeys and mismatchLabelKeys',
    ),
    (
        spec(tolerations=[{"key": "a", "operator": "Exists", "value": "b"}]),
        "spec.tolerations[0].value: Invalid value: \"b\": value must be empty when `operator` is 'Exists'",
    ),
    (
        spec(tolerations=[{"value": "b"}]),
        'spec.tolerations[0].operator: Invalid value: "": operator must be Exists when `key`',
    ),
    (
        spec(
            tolerations=[
                {"key": "a", "operator": "Exists", "effect": "NoSchedule", "tolerationSeconds": 1}
            ]
        ),
        "spec.tolerations[0].effect: Invalid value: \"NoSchedule\": effect must be 'NoExecute' when `tolerationSeconds` is set",
    ),
    (
        spec(tolerations=[{"key": "a", "value": "b c"}]),
        'spec.tolerations[0].value: Invalid value: "b c": a valid label must',
    ),
    (
        spec(tolerations=[{"key": "a", "operator": "exists"}]),
        'spec.tolerations[0].operator: Unsupported value: "exists": supported values: "Equal", "Exists"; did you mean "Exists"?',
    ),
    (spread({"maxSkew": 0}), "[0].maxSkew: Required value: must be greater than or equal to 1"),
    (
        spread({}, {}),
        'spec.topologySpreadConstraints[1].{topologyKey, whenUnsatisfiable}: Duplicate value: "{zone, DoNotSchedule}"',
    ),
    (
        spread({"minDomains": 2, "whenUnsatisfiable": "ScheduleAnyway"}),
        "[0].minDomains: Invalid value: 2: can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ScheduleAnyway",
    ),
    (spread({"whenUnsatisfiable": "Never"}), '[0].whenUnsatisfiable: Unsupported value: "Never"'),
    (
        spec(schedulingGates=[{"name": "a"}, {"name": "a"}]),
        'spec.schedulingGates[1].name: Duplicate value: "a"',
    ),
    (
        spec(nodeName="n1", schedulingGates=[{"name": "a"}]),
        "spec.nodeName: Forbidden: cannot be set until all schedulingGates have been cleared",
    ),
    # names and DNS
    (spec(hostname="a.b"), f'spec.hostname: Invalid value: "a.b": {LABEL}'),
    (spec(subdomain="_"), f'spec.subdomain: Invalid value: "_": {LABEL}'),
    (
        spec(dnsPolicy="None"),
        "spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None",
    ),
    (
        spec(dnsPolicy="None", dnsConfig={}),
        "spec.dnsConfig.nameservers: Required value: must provide at least one DNS nameserver",
    ),
    (
        spec(dnsConfig={"nameservers": ["1.1.1.1"] * 4}),
        "spec.dnsConfig.nameservers: Too many: 4: must have at most 3 items",
    ),
    (
        spec(dnsConfig={"nameservers": ["dns"]}),
        'spec.dnsConfig.nameservers[0]: Invalid value: "dns": must be a valid IP address',
    ),
    (spec(dnsConfig={"searches": ["a b"]}), 'spec.dnsConfig.searches[0]: Invalid value: "a b"'),
    (
        spec(dnsConfig={"searches": ["x" * 200 + ".y"] * 12}),
        "must not have more than 2048 characters",
    ),
    (
        spec(dnsConfig={"options": [{"value": "1"}]}),
        "spec.dnsConfig.options[0].name: Required value",
    ),
    (
        spec(hostAliases=[{"ip": "x", "hostnames": []}]),
        'spec.hostAliases[0].ip: Invalid value: "x": must be a valid IP',
    ),
    (
        spec(hostAliases=[{"ip": "1.1.1.1", "hostnames": ["A"]}]),
        'spec.hostAliases[0].hostnames[0]: Invalid value: "A"',
    ),
    # the pod itself
    (
        spec(terminationGracePeriodSeconds=-1),
        "spec.terminationGracePeriodSeconds: Invalid value: -1: must be greater than or equal to 0",
    ),
    (
        spec(activeDeadlineSeconds=0),
        "spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive",
    ),
    (spec(overhead={"cpu": "x"}), 'spec.overhead[cpu]: Invalid value: "x": quantities must match'),
    (spec(overhead={"gpu": "1"}), 'spec.overhead[gpu]: Invalid value: "gpu": must be one of'),
    (spec(readinessGates=[{}]), "spec.readinessGates[0].conditionType: Required value"),
]


@pytest.mark.parametrize(("change", "told"), WRONG, ids=[case[1][:80] for case in WRONG])
def test_this_is_wrong(change: dict[str, Any], told: str) -> None:
    said = complaints("Pod", change)
    assert any(told in each for each in said), said
    assert len(said) == 1, "only this is wrong"


def test_everything_that_is_wrong_is_told_at_once() -> None:
    change = {
        "metadata": {"name": "Web"},
        "spec": {
            "restartPolicy": "Often",
            "containers": [
                {"name": "a", "ports": [{"containerPort": 0}]},
                {"name": "a", "image": "i"},
            ],
            "volumes": [{"name": "v", "hostPath": {}}],
        },
    }
    assert {each.partition(": ")[0] for each in complaints("Pod", change)} == {
        "metadata.name",
        "spec.restartPolicy",
        "spec.containers[0].image",
        "spec.containers[0].ports[0].containerPort",
        "spec.containers[1].name",
        "spec.volumes[0].hostPath.path",
    }


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ({"kind": "Node", "name": "n1"}, []),
        ({"name": "n1"}, []),
        ({}, ["target.name: Required value"]),
        (
            {"kind": "Pod", "name": "n1"},
            ['target.kind: Unsupported value: "Pod": supported values: "Node"'],
        ),
    ],
)
def test_a_binding_names_a_node(target: dict[str, str], told: list[str]) -> None:
    binding = from_json(Binding, {"target": target})[0]
    assert [str(cause) for cause in validate_binding(binding)] == told


def test_a_binding_to_an_impossible_name_is_refused() -> None:
    binding = from_json(Binding, {"target": {"name": "N_1"}})[0]
    assert [cause.field for cause in validate_binding(binding)] == ["target.name"]
