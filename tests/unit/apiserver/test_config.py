"""ConfigMaps and Secrets as the API server treats them: keys, sizes, types, immutability, rows, and silence (S#92, S#93)."""

import json
from typing import Any

import pytest

from api.jsonform import from_json, to_json
from proto.v1.config_pb2 import Secret
from proto.v1.pod_pb2 import Pod
from tests.manifests import NOW, complaints, container, created, strategy, updated

Change = dict[str, Any]
SHAPE = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'"
MIB = 1024 * 1024


def secret(type: str, **values: str) -> Change:
    return {"type": type, "stringData": {"password": None, **values}}


# Keys are file names


@pytest.mark.parametrize("key", ["a", "A.b-c_d", ".hidden", "a..b", "-", "x" * 253])
@pytest.mark.parametrize(("kind", "field"), [("ConfigMap", "data"), ("Secret", "stringData")])
def test_these_are_keys(kind: str, field: str, key: str) -> None:
    assert complaints(kind, {field: {key: ""}}) == []


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("..", "must not be '..'"),
        (".", "must not be '.'"),
        ("..data", "must not start with '..'"),
        ("../../etc/cron.d/x", SHAPE),
        ("/etc/passwd", SHAPE),
        ("a/b", SHAPE),
        ("a\\b", SHAPE),
        ("a\0", SHAPE),
        ("a\n", SHAPE),
        ("", SHAPE),
        ("ü", SHAPE),
        ("x" * 254, "must be no more than 253 bytes"),
    ],
)
@pytest.mark.parametrize(
    ("kind", "field", "seen"),
    [
        ("ConfigMap", "data", "data"),
        ("ConfigMap", "binaryData", "binaryData"),
        ("Secret", "stringData", "data"),
        ("Secret", "data", "data"),
    ],
)
def test_no_key_leads_out_of_its_directory(
    kind: str, field: str, seen: str, key: str, told: str
) -> None:
    found = complaints(kind, {field: {key: ""}})
    assert any(each.startswith(f"{seen}[{key}]: Invalid value: ") for each in found)
    assert any(told in each for each in found)


def test_a_key_is_in_one_of_the_two_maps() -> None:
    [told] = complaints("ConfigMap", {"binaryData": {"color": "AA=="}})
    assert told == 'data[color]: Invalid value: "color": duplicate of key present in binaryData'


# Sizes


def test_all_values_together_are_at_most_one_mebibyte() -> None:
    half = "x" * (MIB // 2)
    assert complaints("ConfigMap", {"data": {"color": None, "a": half, "b": half}}) == []
    told = "data: Too long: may not be more than 1048576 bytes"
    assert complaints("ConfigMap", {"data": {"color": "b", "a": half, "b": half}}) == [told]
    assert complaints("Secret", {"stringData": {"a": half, "b": half}}) == [told]


def test_bytes_count_not_letters() -> None:
    assert complaints("ConfigMap", {"data": {"color": "é" * (MIB // 2 + 1)}})


# Secrets: types, and what was written as text


def test_what_is_written_as_text_is_data_and_nothing_else() -> None:
    made = created("Secret", {"data": {"password": "b2xk", "user": "YWRtaW4="}})
    assert dict(made.data) == {"password": b"hunter2", "user": b"admin"}
    assert not made.stringData
    assert made.type == "Opaque"
    assert to_json(made)["data"] == {"password": "aHVudGVyMg==", "user": "YWRtaW4="}


@pytest.mark.parametrize(
    "change",
    [
        secret("Opaque"),
        secret("example.com/own"),
        secret("kubernetes.io/tls", **{"tls.crt": "", "tls.key": ""}),
        secret("kubernetes.io/dockerconfigjson", **{".dockerconfigjson": '{"auths":{}}'}),
        secret("kubernetes.io/dockercfg", **{".dockercfg": "{}"}),
        secret("kubernetes.io/basic-auth", username="u"),
        secret("kubernetes.io/basic-auth", password=""),
        secret("kubernetes.io/ssh-auth", **{"ssh-privatekey": "k"}),
        secret("bootstrap.kubernetes.io/token", **{"token-id": "a", "token-secret": "b"}),
        {
            "type": "kubernetes.io/service-account-token",
            "metadata": {"annotations": {"kubernetes.io/service-account.name": "default"}},
        },
    ],
)
def test_these_are_secrets(change: Change) -> None:
    assert complaints("Secret", change) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (secret("kubernetes.io/tls", **{"tls.crt": "c"}), ["data[tls.key]: Required value"]),
        (
            secret("kubernetes.io/tls"),
            ["data[tls.crt]: Required value", "data[tls.key]: Required value"],
        ),
        (
            secret("kubernetes.io/dockerconfigjson"),
            ["data[.dockerconfigjson]: Required value"],
        ),
        (
            secret("kubernetes.io/dockercfg", **{".dockercfg": "canary"}),
            ['data[.dockercfg]: Invalid value: "<secret contents redacted>": must be valid JSON'],
        ),
        (
            secret("kubernetes.io/dockercfg", **{".dockercfg": "[]"}),
            ['data[.dockercfg]: Invalid value: "<secret contents redacted>": must be an object'],
        ),
        (
            secret("kubernetes.io/basic-auth"),
            [
                "data[username]: Required value: one of the keys username and password must be there",
                "data[password]: Required value: one of the keys username and password must be there",
            ],
        ),
        (
            secret("kubernetes.io/ssh-auth", **{"ssh-privatekey": ""}),
            ["data[ssh-privatekey]: Required value"],
        ),
        (
            secret("kubernetes.io/service-account-token"),
            ["metadata.annotations[kubernetes.io/service-account.name]: Required value"],
        ),
        (
            secret("bootstrap.kubernetes.io/token", **{"token-id": "a"}),
            ["data[token-secret]: Required value"],
        ),
    ],
)
def test_a_type_demands_its_keys(change: Change, told: list[str]) -> None:
    assert complaints("Secret", change) == told


# Changes


@pytest.mark.parametrize(
    ("kind", "before", "after", "told"),
    [
        ("ConfigMap", {}, {"data": {"color": "red"}}, []),
        ("ConfigMap", {}, {"immutable": True}, []),
        ("ConfigMap", {"immutable": True}, {"immutable": True}, []),
        (
            "ConfigMap",
            {"immutable": True},
            {"immutable": True, "metadata": {"labels": {"a": "b"}}},
            [],
        ),
        ("ConfigMap", {"immutable": True}, {}, ["immutable"]),
        ("ConfigMap", {"immutable": True}, {"immutable": False}, ["immutable"]),
        ("ConfigMap", {"immutable": True}, {"immutable": True, "data": {"a": ""}}, ["data"]),
        (
            "ConfigMap",
            {"immutable": True},
            {"immutable": True, "binaryData": {"a": ""}},
            ["binaryData"],
        ),
        ("Secret", {}, {"stringData": {"password": "other"}}, []),
        ("Secret", {"immutable": True}, {"immutable": True}, []),
        (
            "Secret",
            {"immutable": True},
            {"stringData": {"password": "other"}},
            ["immutable", "data"],
        ),
    ],
)
def test_what_is_immutable_stays(kind: str, before: Change, after: Change, told: list[str]) -> None:
    fixed = "Forbidden: field is immutable when `immutable` is set"
    assert updated(kind, before, after) == [f"{name}: {fixed}" for name in told]


def test_a_secret_s_type_is_for_ever() -> None:
    [told] = updated("Secret", {}, {"type": "example.com/own"})
    assert told == 'type: Invalid value: "example.com/own": field is immutable'


# Silence: no sentence shows a value


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            {"data": {"pin": "canary!"}},
            "data[pin]: Invalid value: <redacted>: must be base64",
        ),
        (
            {"stringData": {"pin": 271828}},
            "stringData[pin]: must be a string: put it in quotes (the value is not shown)",
        ),
        (
            {"data": {"pin": ["canary"]}},
            "data[pin]: must be a string: put it in quotes (the value is not shown)",
        ),
        ({"stringData": "canary"}, "stringData: must be a mapping"),
    ],
)
def test_what_is_wrong_is_told_without_the_value(change: Change, told: str) -> None:
    _, causes = from_json(Secret, {"apiVersion": "v1", "kind": "Secret", **change})
    assert [str(cause) for cause in causes] == [told]


def test_no_complaint_shows_a_value() -> None:
    types = ["tls", "dockercfg", "dockerconfigjson", "basic-auth", "ssh-auth"]
    for type in types:
        values = dict.fromkeys(("a b", ".dockercfg", ".dockerconfigjson", "big"), "canary")
        values["big"] *= MIB
        found = complaints("Secret", {"type": f"kubernetes.io/{type}", "stringData": values})
        assert found
        assert "canary" not in json.dumps(found)


def test_a_key_without_a_value_is_empty() -> None:
    made, causes = from_json(Secret, {"data": {"a": None}, "stringData": {"b": None}})
    assert (dict(made.data), dict(made.stringData), causes) == ({"a": b""}, {"b": ""}, [])


# Rows and selections


def test_a_row_says_how_many_keys_and_never_what_they_hold() -> None:
    both = created("ConfigMap", {"binaryData": {"icon": "AA=="}})
    assert strategy("ConfigMap").row(both, NOW) == ("settings", 2, "60s")
    assert strategy("Secret").row(created("Secret"), NOW) == ("keys", "Opaque", 1, "60s")


def test_secrets_are_selected_by_type() -> None:
    fields = strategy("Secret").selectable(created("Secret"))
    assert fields["type"] == "Opaque"


# Pods that name them


def volume(**source: Any) -> Change:
    return {"spec": {"volumes": [{"name": "v", **source}]}}


def projected(*sources: Change, **fields: Any) -> Change:
    return volume(projected={"sources": list(sources), **fields})


ITEM = {"key": "a", "path": "b"}
TOKEN = {"serviceAccountToken": {"path": "token"}}


@pytest.mark.parametrize(
    "change",
    [
        container(envFrom=[{"configMapRef": {"name": "a"}, "prefix": "P_"}]),
        container(envFrom=[{"secretRef": {"name": "a", "optional": True}}]),
        container(env=[{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "a", "key": "k"}}}]),
        container(env=[{"name": "A", "valueFrom": {"secretKeyRef": {"name": "a", "key": ".k"}}}]),
        volume(configMap={"name": "a", "items": [ITEM], "defaultMode": 0o400, "optional": True}),
        volume(secret={"secretName": "a", "items": [{**ITEM, "path": "x/y/..z"}]}),
        projected(
            {"secret": {"name": "a", "items": [ITEM]}},
            {"configMap": {"name": "a"}},
            {"downwardAPI": {"items": [{"path": "n", "fieldRef": {"fieldPath": "metadata.name"}}]}},
            TOKEN,
        ),
        {"spec": {"imagePullSecrets": [{"name": "registry"}]}},
    ],
)
def test_a_pod_may_name_them(change: Change) -> None:
    assert complaints("Pod", change) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            container(envFrom=[{"prefix": "P"}]),
            'spec.containers[0].envFrom[0]: Invalid value: "": must specify one of: '
            "`configMapRef`, `secretRef`",
        ),
        (
            container(envFrom=[{"configMapRef": {"name": "a"}, "secretRef": {"name": "a"}}]),
            'spec.containers[0].envFrom[0]: Invalid value: "": may not have more than one field '
            "specified at a time",
        ),
        (
            container(envFrom=[{"configMapRef": {}}]),
            "spec.containers[0].envFrom[0].configMapRef.name: Required value",
        ),
        (
            container(env=[{"name": "A", "valueFrom": {"secretKeyRef": {"name": "a"}}}]),
            "spec.containers[0].env[0].valueFrom.secretKeyRef.key: Required value",
        ),
        (
            container(
                env=[{"name": "A", "valueFrom": {"secretKeyRef": {"name": "a", "key": "../b"}}}]
            ),
            'spec.containers[0].env[0].valueFrom.secretKeyRef.key: Invalid value: "../b": ',
        ),
        (volume(secret={}), "spec.volumes[0].secret.secretName: Required value"),
        (volume(configMap={}), "spec.volumes[0].configMap.name: Required value"),
        (
            volume(configMap={"name": "a"}, secret={"secretName": "a"}),
            "spec.volumes[0].secret: Forbidden: may not specify more than 1 volume type",
        ),
        *(
            (
                volume(configMap={"name": "a", "items": [{"key": "a", "path": path}]}),
                f'spec.volumes[0].configMap.items[0].path: Invalid value: "{path}": {why}',
            )
            for path, why in (
                ("/etc/passwd", "must be a relative path"),
                ("../x", "must not contain '..'"),
                ("a/../../x", "must not contain '..'"),
                ("..data", "must not start with '..'"),
                ("..data/x", "must not start with '..'"),
                ("./..data", "must not start with '..'"),
                (".", "must name a file"),
            )
        ),
        (
            volume(secret={"secretName": "a", "defaultMode": 0o1000}),
            "spec.volumes[0].secret.defaultMode: Invalid value: 512: must be between 0 and 511, inclusive",
        ),
        (
            projected({}),
            "spec.volumes[0].projected.sources[0]: Required value: must specify one of: `secret`, "
            "`downwardAPI`, `configMap`, `serviceAccountToken`",
        ),
        (
            projected({"secret": {"name": "a"}, **TOKEN}),
            "spec.volumes[0].projected.sources[0].serviceAccountToken: Forbidden: may not specify more "
            "than 1 volume type",
        ),
        (
            projected({"secret": {"name": "a", "items": [{"key": "k", "path": "token"}]}}, TOKEN),
            'spec.volumes[0].projected.sources[1].serviceAccountToken.path: Invalid value: "token": '
            "conflicting duplicate paths",
        ),
        (
            projected({"serviceAccountToken": {"path": "../t", "expirationSeconds": 599}}),
            "spec.volumes[0].projected.sources[0].serviceAccountToken.expirationSeconds: Invalid value: "
            "599: must be between 600 and 4294967296, inclusive",
        ),
        (
            {"spec": {"imagePullSecrets": [{"name": "A b"}]}},
            'spec.imagePullSecrets[0].name: Invalid value: "A b": ',
        ),
    ],
)
def test_how_a_pod_may_not_name_them(change: Change, told: str) -> None:
    found = complaints("Pod", change)
    assert [each for each in found if each.startswith(told)], found


def test_what_a_pod_leaves_out_is_filled_in() -> None:
    change = volume(configMap={"name": "a"})
    change["spec"]["volumes"] += [
        {"name": "s", "secret": {"secretName": "a"}},
        {"name": "p", "projected": {"sources": [TOKEN]}},
        {"name": "e"},
    ]
    config, hidden, several, empty = created("Pod", change).spec.volumes
    modes = (config.configMap, hidden.secret, several.projected)
    assert {each.defaultMode for each in modes} == {0o644}
    assert several.projected.sources[0].serviceAccountToken.expirationSeconds == 3600
    assert empty.HasField("emptyDir")


def test_defaulting_twice_changes_nothing() -> None:
    once = created("Pod", projected(TOKEN))
    twice = created("Pod", projected(TOKEN))
    strategy("Pod").default(twice)
    assert once == twice


def test_a_misspelt_source_is_told_with_what_was_meant() -> None:
    _, [cause] = from_json(Pod, volume(configmap={"name": "a"}))
    assert str(cause) == 'spec.volumes[0].configmap: unknown field; did you mean "configMap"?'
