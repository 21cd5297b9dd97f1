"""The audit log: which requests are noted how far, what a line says, and what it never says (S#117)."""

import json
import os
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from api import rpc
from api.rbac import Attributes
from control_plane.apiserver.identity import User
from control_plane.audit import policy
from control_plane.audit.event import Outcome, Record, event
from control_plane.audit.policy import METADATA, NONE, REQUEST, RESPONSE, BadPolicy
from control_plane.audit.writer import LOST, Files, Writer
from proto.v1 import service_pb2 as pb
from proto.v1.config_pb2 import Secret
from proto.v1.pod_pb2 import Pod
from tests.manifests import read

ANNA, NODE = User("anna", ("dev",)), User("system:node:n1", ("system:nodes",))
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
CANARY = "c4nary-9f8e7d6c5b4a39281706"


def judged(rules: str, user: User, *asked: str, **more: str) -> int:
    document = {"apiVersion": policy.API, "kind": "Policy", "rules": yaml.safe_load(rules)}
    return policy.parse(document, "test").judge(user, Attributes(*asked, **more))[0]


@pytest.mark.parametrize(
    ("user", "asked", "level"),
    [
        (ANNA, ("create", "apps", "deployments"), METADATA),
        (ANNA, ("get", "", "pods"), NONE),
        (ANNA, ("get", "", "secrets"), METADATA),
        (ANNA, ("list", "", "secrets"), METADATA),
        (ANNA, ("create", "", "pods", "exec"), METADATA),
        (ANNA, ("create", "", "serviceaccounts", "token"), METADATA),
        (NODE, ("update", "", "nodes", "status"), NONE),
        (NODE, ("update", "coordination.k8s.io", "leases"), NONE),
        (ANNA, ("update", "", "nodes", "status"), METADATA),
        (ANNA, ("delete", "", "namespaces"), METADATA),
    ],
)
def test_the_built_in_policy(user: User, asked: tuple[str, ...], level: int) -> None:
    assert policy.load(None).judge(user, Attributes(*asked))[0] == level


@pytest.mark.parametrize(
    ("rule", "matches"),
    [
        ("{level: Request}", True),
        ("{level: Request, users: [anna]}", True),
        ("{level: Request, users: [bert]}", False),
        ("{level: Request, userGroups: [dev, ops]}", True),
        ("{level: Request, userGroups: [ops]}", False),
        ("{level: Request, verbs: [get]}", False),
        ("{level: Request, namespaces: [shop]}", True),
        ("{level: Request, namespaces: [other]}", False),
        ("{level: Request, resources: [{group: ''}]}", True),
        ("{level: Request, resources: [{group: apps}]}", False),
        ("{level: Request, resources: [{resources: [pods]}]}", False),
        ("{level: Request, resources: [{resources: [pods/log]}]}", True),
        ("{level: Request, resources: [{resources: ['pods/*']}]}", True),
        ("{level: Request, resources: [{resources: ['*/log'], resourceNames: [web]}]}", True),
        ("{level: Request, resources: [{resources: ['*/log'], resourceNames: [api]}]}", False),
        ("{level: Request, nonResourceURLs: ['/version']}", False),
    ],
)
def test_a_rule_matches_what_it_names(rule: str, matches: bool) -> None:
    level = judged(f"[{rule}]", ANNA, "create", "", "pods", "log", "shop", "web")
    assert level == (REQUEST if matches else NONE)


def test_the_first_rule_that_matches_decides() -> None:
    rules = "[{level: None, users: [anna]}, {level: RequestResponse}]"
    assert judged(rules, ANNA, "get", "", "pods") == NONE
    assert judged(rules, NODE, "get", "", "pods") == RESPONSE


def test_rules_about_addresses() -> None:
    rules = "[{level: Metadata, nonResourceURLs: ['/ver*']}]"
    assert judged(rules, ANNA, "get", path="/version") == METADATA
    assert judged(rules, ANNA, "get", path="/healthz") == NONE


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[]", "expected apiVersion: audit.k8s.io/v1, kind: Policy"),
        ("{apiVersion: audit.k8s.io/v1, kind: Policy}", "rules: at least one is needed"),
        ("rules: [{level: Much}]", "rules[0].level: must be one of None, Metadata"),
        ("rules: [{level: None, user: [a]}]", "rules[0]: there is no field 'user'"),
        ("rules: [{level: None, users: a}]", "rules[0].users: must be a list"),
        ("rules: [{level: None, omitStages: [Late]}]", "rules[0].omitStages: must be of"),
        ("rules: [{level: None, namespaces: [a], nonResourceURLs: [/]}]", "not both"),
        ("{", "cannot read the audit policy"),
    ],
)
def test_what_is_wrong_with_a_file_is_told(tmp_path: Path, text: str, told: str) -> None:
    head = "apiVersion: audit.k8s.io/v1\nkind: Policy\n" if text.startswith("rules") else ""
    file = tmp_path / "policy.yaml"
    file.write_text(head + text)
    with pytest.raises(BadPolicy) as refused:
        policy.load(file)
    assert told in str(refused.value)
    assert str(file) in str(refused.value)


# Lines


def record(level: int, asked: Attributes, request: Any = None, **more: Any) -> Record:
    later = NOON + timedelta(milliseconds=5)
    return Record(
        level, "ResponseComplete", asked, ANNA, NOON, later, request=request,
        source="127.0.0.1", agent="helmling", outcome=more.pop("outcome", Outcome()), **more,
    )  # fmt: skip


def secret() -> Secret:
    made = Secret(apiVersion="v1", kind="Secret")
    made.metadata.name, made.metadata.namespace = "keys", "default"
    made.metadata.annotations["kubectl.kubernetes.io/last-applied-configuration"] = CANARY
    made.data["password"] = CANARY.encode()
    return made


def test_a_line_says_who_what_when_and_how_it_ended() -> None:
    asked = Attributes("delete", "apps", "deployments", "", "shop", "web")
    found = event(record(METADATA, asked))
    assert found["auditID"]
    assert {key: found[key] for key in found if key != "auditID"} == {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": "Metadata",
        "stage": "ResponseComplete",
        "requestURI": "/apis/apps/v1/namespaces/shop/deployments/web",
        "verb": "delete",
        "user": {"username": "anna", "groups": ["dev"]},
        "sourceIPs": ["127.0.0.1"],
        "userAgent": "helmling",
        "objectRef": {"resource": "deployments", "namespace": "shop", "name": "web",
                      "apiGroup": "apps", "apiVersion": "v1"},
        "responseStatus": {"metadata": {}, "code": 200},
        "requestReceivedTimestamp": "2026-01-02T12:00:00.000000Z",
        "stageTimestamp": "2026-01-02T12:00:00.005000Z",
    }  # fmt: skip


def test_a_new_object_is_named_by_what_was_sent() -> None:
    asked = Attributes("create", "", "pods", "", "default")
    request = pb.CreateRequest(object=rpc.pack(read("Pod")))
    found = event(record(METADATA, asked, request))
    assert found["objectRef"]["name"] == "web"
    assert "requestObject" not in found
    assert event(record(REQUEST, asked, request))["requestObject"]["spec"]["containers"]
    answer = rpc.pack(Pod(kind="Pod")).SerializeToString()
    assert "responseObject" not in event(record(REQUEST, asked, request, response=answer))
    assert "responseObject" in event(record(RESPONSE, asked, request, response=answer))


def test_whoever_asks_as_another_is_named() -> None:
    found = event(record(METADATA, Attributes("get", "", "pods"), impersonator=NODE))
    assert found["user"]["username"] == NODE.name
    assert found["impersonatedUser"]["username"] == ANNA.name


@pytest.mark.parametrize("level", [METADATA, REQUEST, RESPONSE])
@pytest.mark.parametrize(
    "request_",
    [
        pb.CreateRequest(object=rpc.pack(secret())),
        pb.UpdateRequest(object=rpc.pack(secret())),
        pb.PatchRequest(patch=json.dumps({"stringData": {"password": CANARY}}).encode()),
        pb.PatchRequest(patch=json.dumps([{"op": "add", "value": CANARY}]).encode()),
    ],
)
def test_no_level_shows_a_secret(level: int, request_: Any) -> None:
    asked = Attributes("patch", "", "secrets", "", "default", "keys")
    refused = Outcome(422, "Invalid", f'data: Invalid value: "{CANARY}"')
    answer = rpc.pack(secret()).SerializeToString()
    text = json.dumps(event(record(level, asked, request_, response=answer, outcome=refused)))
    assert CANARY not in text
    assert "Y2FuYXJ5" not in text
    assert "keys" in text


def test_the_keys_of_a_secret_are_none() -> None:
    asked = Attributes("create", "", "secrets", "", "default")
    found = event(record(REQUEST, asked, pb.CreateRequest(object=rpc.pack(secret()))))
    assert found["requestObject"]["data"] == {"password": "<redacted>"}


# The file


def lines(folder: Path) -> list[dict[str, Any]]:
    files = [*sorted(folder.glob("audit-*.log")), folder / "audit.log"]
    return [json.loads(each) for file in files for each in file.read_text().splitlines()]


def numbered(number: int) -> Record:
    return record(METADATA, Attributes("get", "", "pods", "", "default", f"p{number}"))


def test_everything_is_written_before_it_closes(tmp_path: Path) -> None:
    writer = Writer(Files(tmp_path / "audit" / "audit.log"))
    for number in range(1200):
        writer.put(numbered(number))
    writer.close()
    found = lines(tmp_path / "audit")
    assert [each["objectRef"]["name"] for each in found] == [f"p{n}" for n in range(1200)]
    assert (tmp_path / "audit" / "audit.log").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "audit").stat().st_mode & 0o777 == 0o700


def test_a_full_file_is_put_aside_and_the_oldest_go(tmp_path: Path) -> None:
    files = Files(tmp_path / "audit.log", max_size=0, max_backups=3)
    for number in range(6):
        writer = Writer(files)
        writer.put(numbered(number))
        writer.close()
    assert len(list(tmp_path.glob("audit-*.log"))) == 3
    assert [each["objectRef"]["name"] for each in lines(tmp_path)][-1] == "p5"


def test_what_is_too_old_goes(tmp_path: Path) -> None:
    old = tmp_path / "audit-2020-01-01T00-00-00.000000.log"
    old.write_text("")
    os.utime(old, (0, 0))
    writer = Writer(Files(tmp_path / "audit.log", max_size=0))
    writer.put(numbered(0))
    writer.close()
    assert not old.exists()


def test_a_log_with_a_hole_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the disk does not answer, only so many wait; the rest is counted."""
    stuck, write = threading.Event(), os.write
    begun = threading.Event()

    def slow(descriptor: int, content: bytes) -> int:
        begun.set()
        assert stuck.wait(30)
        return write(descriptor, content)

    monkeypatch.setattr(os, "write", slow)
    writer = Writer(Files(tmp_path / "audit.log"), room=10)
    writer.put(numbered(0))
    assert begun.wait(30)
    for number in range(1, 31):
        writer.put(numbered(number))
    stuck.set()
    writer.close()
    found = lines(tmp_path)
    [hole] = [each for each in found if each["verb"] == "lose"]
    assert hole["annotations"] == {LOST: "20"}
    assert len(found) == 1 + 1 + 10


def test_a_disk_that_refuses_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full, write = [True], os.write

    def writing(descriptor: int, content: bytes) -> int:
        if full[0]:
            full[0] = False
            raise OSError(28, "No space left on device")
        return write(descriptor, content)

    monkeypatch.setattr(os, "write", writing)
    writer = Writer(Files(tmp_path / "audit.log"))
    writer.put(numbered(0))
    while full[0]:  # the thread has met it
        threading.Event().wait(0.001)
    writer.put(numbered(1))
    writer.close()
    assert any(each.get("annotations") == {LOST: "1"} for each in lines(tmp_path))
