"""The gateway's pure parts: paths, forms, options, channels, Kubernetes' protobuf."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api import jsonform, kinds
from api.errors import ApiError, BadRequest, MethodNotAllowed, NotFound, UnsupportedMedia
from api.kinds import KINDS
from control_plane.apiserver.service import KUBERNETES
from control_plane.gateway import (
    bodies,
    channels,
    deleting,
    discovery,
    failures,
    negotiation,
    openapi,
    paths,
    places,
    protobuf,
)
from control_plane.gateway.negotiation import Form, NotAcceptable
from proto.v1.apps_pb2 import Deployment
from proto.v1.pod_pb2 import Pod
from proto.v1.service_pb2 import ExecRequest, ExecResponse, Target, TerminalSize

POD = kinds.of(Pod)


@pytest.mark.parametrize(
    ("method", "path", "verb", "target"),
    [
        ("GET", "/api/v1/pods", "list", Target(resource="pods")),
        ("GET", "/api/v1/namespaces/a/pods", "list", Target(resource="pods", namespace="a")),
        ("GET", "/api/v1/namespaces/a/pods/b", "get", Target(resource="pods", namespace="a", name="b")),
        ("POST", "/api/v1/namespaces/a/pods", "create", Target(resource="pods", namespace="a")),
        ("PUT", "/api/v1/nodes/n/status", "update", Target(resource="nodes", name="n", subresource="status")),
        ("GET", "/api/v1/namespaces", "list", Target(resource="namespaces")),
        ("GET", "/api/v1/namespaces/a", "get", Target(resource="namespaces", name="a")),
        ("PUT", "/api/v1/namespaces/a/finalize", "update", Target(resource="namespaces", name="a", subresource="finalize")),
        ("GET", "/api/v1/watch/namespaces/a/pods", "watch", Target(resource="pods", namespace="a")),
        ("DELETE", "/apis/apps/v1/namespaces/a/deployments", "deletecollection", Target(group="apps", resource="deployments", namespace="a")),
        ("PATCH", "/apis/apps/v1/namespaces/a/deployments/d/scale", "patch", Target(group="apps", resource="deployments", namespace="a", name="d", subresource="scale")),
    ],
)  # fmt: skip
def test_what_a_path_is_about(method: str, path: str, verb: str, target: Target) -> None:
    asked = paths.read(method, path)
    assert (asked.verb, asked.target) == (verb, target)


@pytest.mark.parametrize(
    ("method", "path", "error"),
    [
        ("GET", "/api/v2/pods", NotFound),
        ("GET", "/apis/apps/v1beta1/deployments", NotFound),
        ("GET", "/apis/nosuch/v1/things", NotFound),
        ("GET", "/api/v1/namespaces/a/nodes", NotFound),
        ("GET", "/other/v1/pods", NotFound),
        ("TRACE", "/api/v1/pods", MethodNotAllowed),
    ],
)
def test_paths_that_lead_nowhere(method: str, path: str, error: type[ApiError]) -> None:
    with pytest.raises(error):
        paths.read(method, path)


TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", Form()),
        ("*/*", Form()),
        ("application/json", Form()),
        ("application/vnd.kubernetes.protobuf,application/json", Form()),
        ("application/vnd.kubernetes.protobuf, */*", Form()),
        ("application/yaml", Form(media="application/yaml")),
        (f"{TABLE},application/json", Form("Table", "v1")),
        ("application/json;as=Table;v=v9;g=meta.k8s.io,application/json", Form()),
        ("application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io", NotAcceptable),
        ("application/vnd.kubernetes.protobuf", NotAcceptable),
        ("text/html", NotAcceptable),
    ],
)
def test_the_form_of_an_answer(accept: str, form: Form | type[ApiError]) -> None:
    if isinstance(form, Form):
        assert negotiation.form(accept, "Table") == form
        return
    with pytest.raises(form):
        negotiation.form(accept, "Table")


def test_the_form_of_a_body() -> None:
    assert (
        negotiation.sent("")
        == negotiation.sent("application/json; charset=utf-8")
        == "application/json"
    )
    with pytest.raises(UnsupportedMedia):
        negotiation.sent("text/plain")


def read(text: str, validation: str) -> tuple[Any, list[str]]:
    return bodies.read(POD, *bodies.document(text.encode(), "application/json", POD), validation)


def test_unknown_and_repeated_fields() -> None:
    """Strict refuses them in Kubernetes' words, Warn tells, Ignore is silent."""
    text = '{"metadata":{"name":"a","name":"b"},"spec":{"hostnam":"x"}}'
    with pytest.raises(BadRequest) as refused:
        read(text, "Strict")
    assert 'strict decoding error: unknown field "spec.hostnam"' in refused.value.message
    assert 'duplicate field "name"' in refused.value.message
    pod, warnings = read(text, "Warn")
    assert pod.metadata.name == "b"
    assert len(warnings) == 2
    assert read(text, "Ignore")[1] == []


@pytest.mark.parametrize(
    "text", ["[]", "{", '"x"', '{"kind":"Node"}', '{"apiVersion":"v2"}', '{"spec":[]}']
)
def test_bodies_that_are_no_pod(text: str) -> None:
    with pytest.raises(BadRequest):
        read(text, "Ignore")


def test_how_to_delete_is_said_in_the_body_or_in_the_query() -> None:
    how, write = deleting.options(
        {"kind": "DeleteOptions", "dryRun": ["All"]}, {"gracePeriodSeconds": "5"}
    )
    assert (how.gracePeriodSeconds, write.dryRun) == (5, True)
    how, _ = deleting.options({"gracePeriodSeconds": 0}, {"gracePeriodSeconds": "5"})
    assert how.HasField("gracePeriodSeconds")
    assert how.gracePeriodSeconds == 0
    assert deleting.options({"orphanDependents": True}, {})[0].propagationPolicy == "Orphan"
    with pytest.raises(BadRequest):
        deleting.options({"dryRun": ["Some"]}, {})


def test_failures_are_statuses() -> None:
    status = failures.status(NotFound('pods "x" not found', kind="pods", name="x"))
    assert (status["code"], status["reason"]) == (404, "NotFound")
    assert status["details"] == {"name": "x", "kind": "pods"}


# Channels


def test_what_a_client_says_in_a_socket() -> None:
    assert channels.read(b"\x00abc", channels.V5) == ExecRequest(stdin=b"abc")
    assert channels.read(b'\x04{"Width":80,"Height":24}', channels.V4) == ExecRequest(
        resize=TerminalSize(width=80, height=24)
    )
    assert channels.read(b"\xff\x00", channels.V5) == ExecRequest(closeStdin=True)
    for nothing in (b"", b"\x00", b"\x04nonsense", b"\x09x"):
        assert channels.read(nothing, channels.V5) is None
    assert channels.read(b"\xff\x00", channels.V4) is None


def test_how_a_program_ended() -> None:
    assert channels.written(ExecResponse(stdout=b"a", stderr=b"b")) == [b"\x01a", b"\x02b"]
    (last,) = channels.written(ExecResponse(exitCode=3))
    status = json.loads(last[1:])
    assert (last[0], status["reason"]) == (3, "NonZeroExitCode")
    assert status["details"]["causes"] == [{"reason": "ExitCode", "message": "3"}]
    (last,) = channels.written(ExecResponse(exitCode=0))
    assert json.loads(last[1:])["status"] == "Success"


# What there is


def test_discovery_names_every_kind_in_both_forms() -> None:
    old = {
        (group, row["name"])
        for group, versions in discovery.groups().items()
        for version in versions
        for row in (discovery.resource_list(group, version) or {})["resources"]
    }
    new = {
        (item["metadata"].get("name", ""), resource["resource"])
        for core in (True, False)
        for item in discovery.aggregated(core=core, version="v2")["items"]
        for version in item["versions"]
        for resource in version["resources"]
    }
    assert {(kind.group, kind.plural) for kind in KINDS} <= new <= old
    assert ("", "pods/exec") in old
    assert ("apps", "deployments/scale") in old
    assert ("metrics.k8s.io", "pods/exec") not in old


def test_every_document_of_the_schema_is_whole() -> None:
    """Every reference leads somewhere, and every kind says which it is."""
    for path in openapi.index()["paths"]:
        group, version = (
            path.split("/")[1:] if path.startswith("apis") else ("", path.split("/")[1])
        )
        text = openapi.document(group, version)
        assert text is not None
        found = json.loads(text)
        known = found["components"]["schemas"]
        assert {ref.rpartition("/")[2] for ref in references(found)} <= known.keys()
        marked = [each for each in known.values() if "x-kubernetes-group-version-kind" in each]
        assert len(marked) >= len(discovery.groups()[group][version])


def references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if "$ref" in value else []
        return own + [ref for each in value.values() for ref in references(each)]
    return [ref for each in value for ref in references(each)] if isinstance(value, list) else []


def test_the_version_is_that_of_the_behaviour() -> None:
    assert places.version()["gitVersion"].startswith(f"{KUBERNETES}.0+helmling.")


# Kubernetes' protobuf


def encoded(name: str, value: dict[str, Any]) -> bytes:
    """The other direction, for tests: JSON in Kubernetes' protobuf."""
    out = b""
    rows = protobuf._table()["messages"][name]
    inlined = [(int(n), type) for n, (field, type, _) in rows.items() if field in protobuf.INLINE]
    for number, (field, type, often) in ((int(n), row) for n, row in rows.items()):
        if field not in value:
            continue
        found = value[field]
        each = found if often == "list" else found.items() if often == "map" else [found]
        for one in each:
            if often == "map":
                out += put(number, put(1, one[0].encode()) + single(2, type, one[1]))
            else:
                out += single(number, type, one)
    for number, type in inlined:
        inner = encoded(type, value)
        out += put(number, inner)
    return out


def single(number: int, type: str, value: Any) -> bytes:
    if type in ("int", "bool"):
        return varint(number << 3) + varint(int(value) & (1 << 64) - 1)
    if type == "string":
        return put(number, value.encode())
    if type == "resource.Quantity":
        return put(number, put(1, value.encode()))
    if type == "intstr.IntOrString":
        of = (b"", value) if isinstance(value, int) else (value.encode(), 0)
        return put(
            number,
            single(1, "int", isinstance(value, str)) + single(2, "int", of[1]) + put(3, of[0]),
        )
    return put(number, encoded(type, value))


def put(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def varint(number: int) -> bytes:
    out = b""
    while number > 0x7F:
        out, number = out + bytes((number & 0x7F | 0x80,)), number >> 7
    return out + bytes((number,))


def enveloped(version: str, kind: str, raw: bytes) -> bytes:
    about = put(1, version.encode()) + put(2, kind.encode())
    return protobuf.MAGIC + put(1, about) + put(2, raw)


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=8)
PODS = st.fixed_dictionaries(
    {
        "metadata": st.fixed_dictionaries(
            {"name": TEXT, "labels": st.dictionaries(TEXT, TEXT, min_size=1)}
        ),
        "spec": st.fixed_dictionaries(
            {
                "terminationGracePeriodSeconds": st.integers(-(2**40), 2**40),
                "hostNetwork": st.just(True),
                "containers": st.lists(
                    st.fixed_dictionaries(
                        {
                            "name": TEXT,
                            "args": st.lists(TEXT, min_size=1, max_size=3),
                            "resources": st.just({"limits": {"cpu": "250m"}}),
                            "livenessProbe": st.fixed_dictionaries(
                                {
                                    "httpGet": st.fixed_dictionaries(
                                        {"port": st.integers(1, 65535) | TEXT}
                                    ),
                                    "periodSeconds": st.integers(1, 100),
                                }
                            ),
                            "env": st.just(
                                [
                                    {
                                        "name": "A",
                                        "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}},
                                    }
                                ]
                            ),
                        }
                    ),
                    min_size=1,
                    max_size=2,
                ),
                "volumes": st.just(
                    [{"name": "v", "emptyDir": {}}, {"name": "c", "configMap": {"name": "m"}}]
                ),
            }
        ),
    }
)


@given(PODS)
@settings(max_examples=60, deadline=None)
def test_kubernetes_protobuf_says_the_same_as_json(pod: dict[str, Any]) -> None:
    body = enveloped("v1", "Pod", encoded("core.v1.Pod", pod))
    found = protobuf.document(body, POD)
    wanted, _ = jsonform.from_json(Pod, {"apiVersion": "v1", "kind": "Pod", **pod})
    assert jsonform.from_json(Pod, found) == (wanted, [])


@given(st.binary(max_size=60))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    body = enveloped("apps/v1", "Deployment", raw)
    with contextlib.suppress(BadRequest):  # and nothing else
        protobuf.document(body, kinds.of(Deployment))


def test_empty_fields_that_are_not_ours_are_no_fields() -> None:
    """Go writes every field; what is not supported here and has a value is still found."""
    empty = encoded("core.v1.PodSpec", {"priorityClassName": "", "nodeName": "n"})
    assert protobuf.document(enveloped("v1", "Pod", put(2, empty)), POD)["spec"] == {
        "nodeName": "n"
    }
    told = encoded("core.v1.PodSpec", {"priorityClassName": "high"})
    assert protobuf.document(enveloped("v1", "Pod", put(2, told)), POD)["spec"] == {
        "priorityClassName": "high"
    }


def test_options_for_deleting_come_in_protobuf_as_well() -> None:
    raw = encoded("meta.v1.DeleteOptions", {"gracePeriodSeconds": 3, "dryRun": ["All"]})
    found = protobuf.document(enveloped("v1", "DeleteOptions", raw), None)
    how, write = deleting.options(found, {})
    assert (how.gracePeriodSeconds, write.dryRun) == (3, True)
