"""What a server says about requests, over the wire: warnings to the user, lines in the audit log (S#28, S#117)."""

import asyncio
import base64
import json
import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from api.client import Write
from api.errors import ApiError, Forbidden
from api.grpc_client import connect
from cli.connection import Connection
from cli.kubeconfig import Target
from control_plane.audit.options import CannotLog, Options, begun
from control_plane.store.memory import MemoryStore
from proto.v1.apps_pb2 import Deployment
from proto.v1.cluster_pb2 import Namespace
from proto.v1.config_pb2 import Secret
from proto.v1.pod_pb2 import Pod
from tests import pki
from tests.apiserver import World, nothing_left, pod, serving
from tests.cluster.whole import deployment

Scenario = Callable[[World], Awaitable[None]]
EVERYTHING = """
apiVersion: audit.k8s.io/v1
kind: Policy
rules: [{level: RequestResponse}]
"""


def run(folder: Path, scenario: Scenario, policy: str = "") -> list[dict[str, Any]]:
    """The lines of the log."""
    file = folder / "policy.yaml"
    file.write_text(policy)
    options = Options(policy=str(file) if policy else "")

    async def whole() -> None:
        trail = begun(folder, options)
        async with (
            asyncio.timeout(120),
            serving(MemoryStore(), grpc=True, trail=trail) as world,
        ):
            await scenario(world)
        trail.close()
        await nothing_left()

    asyncio.run(whole())
    written = (folder / "audit" / "audit.log").read_text()
    return [json.loads(line) for line in written.splitlines()]


def short(found: list[dict[str, Any]]) -> list[tuple[str, str, str, int]]:
    return [
        (
            each["user"]["username"],
            each["verb"],
            each.get("objectRef", {}).get("name", ""),
            each["responseStatus"]["code"],
        )
        for each in found
    ]


def test_writes_are_noted_and_reads_are_not(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.client.create(pod("web"))
        await world.client.get(Pod, "web", "default")
        await world.client.list(Pod)
        await world.client.delete(Pod, "web", "default")
        with pytest.raises(ApiError):
            await world.client.delete(Pod, "web", "default")

    found = run(tmp_path, scenario)
    admin = "kubernetes-admin"
    assert short(found) == [
        (admin, "create", "web", 201),
        (admin, "delete", "web", 200),
        (admin, "delete", "web", 404),
    ]
    first = found[0]
    assert first["sourceIPs"] == ["127.0.0.1"]
    assert first["objectRef"]["uid"]
    assert first["annotations"]["authorization.k8s.io/decision"] == "allow"
    assert first["requestURI"] == "/api/v1/namespaces/default/pods"


def test_refusals_are_noted_also_of_reads(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        async with connect(world.address, pki.identity("anna"), manager="test") as anna:
            with pytest.raises(Forbidden):
                await anna.list(Pod)

    [line] = run(tmp_path, scenario)
    assert (line["user"]["username"], line["verb"]) == ("anna", "list")
    assert line["responseStatus"]["code"] == 403
    assert line["responseStatus"]["reason"] == "Forbidden"
    assert line["annotations"]["authorization.k8s.io/decision"] == "forbid"


def test_each_item_of_a_batch_is_noted(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        items = [Write("create", pod(name)) for name in ("a", "b", "a")]
        outcomes = await world.client.batch(items)
        assert sum(isinstance(each, ApiError) for each in outcomes) == 1

    found = run(tmp_path, scenario)
    assert sorted(each[1:] for each in short(found)) == [
        ("create", "a", 201),
        ("create", "a", 409),
        ("create", "b", 201),
    ]


def test_no_secret_is_in_the_log_at_any_level(tmp_path: Path) -> None:
    """Canaries with 128 bits, in every form in which they travel."""
    canaries = [secrets.token_hex(16) for _ in range(4)]
    first, second, third, fourth = canaries

    async def scenario(world: World) -> None:
        made = Secret()
        made.metadata.name, made.metadata.namespace = "keys", "default"
        made.metadata.annotations["kubectl.kubernetes.io/last-applied-configuration"] = first
        made.data["password"] = first.encode()
        stored = await world.client.create(made)
        stored.data["password"] = second.encode()
        await world.client.update(stored)
        change = {"stringData": {"password": third}}
        await world.client.patch(Secret, "keys", "default", change, patch_type="merge")
        wrong = {"data": {"password": f"not base64: {fourth}"}}
        with pytest.raises(ApiError):
            await world.client.patch(Secret, "keys", "default", wrong, patch_type="merge")
        await world.client.batch([Write("update", stored)])
        await world.client.get(Secret, "keys", "default")
        await world.client.list(Secret)
        await world.client.delete(Secret, "keys", "default")

    found = run(tmp_path, scenario, EVERYTHING)
    text = json.dumps(found)
    assert len([each for each in found if each["objectRef"]["resource"] == "secrets"]) >= 8
    for canary in canaries:
        assert canary not in text
        for cut in range(3):  # base64 of a text that begins anywhere
            assert base64.b64encode(canary.encode()[cut:])[4:-4].decode() not in text
    assert any(each.get("requestObject", {}) == "<redacted>" for each in found)


def test_bodies_of_what_is_no_secret_are_shown(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.client.create(pod("web"))

    found = [each for each in run(tmp_path, scenario, EVERYTHING) if each["verb"] == "create"]
    received, complete = found
    assert (received["stage"], complete["stage"]) == ("RequestReceived", "ResponseComplete")
    assert received["auditID"] == complete["auditID"]
    assert complete["requestObject"]["spec"]["containers"][0]["name"] == "app"
    assert complete["responseObject"]["metadata"]["uid"]


def labelled(name: str, **levels: str) -> Namespace:
    made = Namespace()
    made.metadata.name = name
    for mode, level in levels.items():
        made.metadata.labels[f"pod-security.kubernetes.io/{mode}"] = level
    return made


def test_pods_that_violate_are_refused_and_noted(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.client.create(labelled("strict", enforce="baseline", audit="baseline"))
        bad = pod("bad", "strict")
        bad.spec.hostPID = True
        with pytest.raises(Forbidden) as refused:
            await world.client.create(bad)
        assert refused.value.message == (
            'pods "bad" is forbidden: violates PodSecurity "baseline:latest": '
            "host namespaces (hostPID=true)"
        )
        await world.client.create(pod("good", "strict"))

    found = run(tmp_path, scenario)
    [line] = [each for each in found if each["responseStatus"]["code"] == 403]
    assert line["annotations"]["pod-security.kubernetes.io/audit-violations"] == (
        'would violate PodSecurity "baseline:latest": host namespaces (hostPID=true)'
    )


def test_warnings_reach_the_user(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """For pods and for what makes them; and for pods that are there when a namespace becomes stricter."""

    def asked(address: str) -> None:
        target = Target(address, pki.admin(), "default")
        client = Connection(target, timeout=30)
        bad = deployment(1)
        bad.metadata.namespace = "soft"
        bad.spec.template.spec.hostPID = True
        kind = _kind(Deployment)
        client.create(kind, bad, "soft", dry_run=True)
        client.create(kind, bad, "soft")
        patch = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "baseline"}}}
        body = json.dumps(patch).encode()
        client.patch(_kind(Namespace), "soft", "", body, "application/merge-patch+json")
        client.close()

    async def scenario(world: World) -> None:
        await world.client.create(labelled("soft", warn="baseline"))
        for name in ("b", "a"):
            bad = pod(name, "soft")
            bad.spec.hostPID = True
            await world.client.create(bad)
        await asyncio.to_thread(asked, world.address)

    run(tmp_path, scenario)
    assert capsys.readouterr().err.splitlines() == [
        'Warning: would violate PodSecurity "baseline:latest": host namespaces (hostPID=true)',
        'Warning: existing pods in namespace "soft" violate the new PodSecurity enforce level "baseline:latest"',
        "Warning: a (and 1 other pod): host namespaces",
    ]


def _kind(message: Any) -> Any:
    from api import kinds

    return kinds.of(message)


def test_a_server_does_not_start_without_the_log_that_it_is_to_keep(tmp_path: Path) -> None:
    with pytest.raises(CannotLog, match="cannot read the audit policy"):
        begun(tmp_path, Options(policy=str(tmp_path / "none.yaml")))
    (tmp_path / "audit").write_text("")
    with pytest.raises(CannotLog, match="cannot write the audit log"):
        begun(tmp_path, Options())
