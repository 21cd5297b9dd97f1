"""Pod Security: what each level refuses, in Kubernetes' words; labels; what is said about pods that are there (S#28)."""

from typing import Any

import pytest

from control_plane.apiserver.policies import podsecurity
from control_plane.apiserver.policies.podsecurity import Level, Policy
from tests.manifests import complaints, created, updated

Change = dict[str, Any]
GOOD: Change = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}


def box(name: str = "app", security: Change | None = None, **fields: Any) -> Change:
    return {"name": name, "image": "i:1", "securityContext": security or {}, **fields}


def spec(*boxes: Change, **fields: Any) -> Any:
    return created("Pod", {"spec": {"containers": list(boxes) or [box()], **fields}}).spec


def told(level: str, made: Any, version: str = "latest") -> str:
    return podsecurity.refusal(Level(level, version), made)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (spec(box(security={"capabilities": {"add": ["NET_ADMIN", "CHOWN", "SYS_TIME"]}})),
         'non-default capabilities (container "app" must not include "NET_ADMIN", "SYS_TIME" in '
         "securityContext.capabilities.add)"),
        (spec(hostNetwork=True, hostPID=True), "host namespaces (hostNetwork=true, hostPID=true)"),
        (spec(volumes=[{"name": "disk", "hostPath": {"path": "/"}}]), 'hostPath volumes (volume "disk")'),
        (spec(box(ports=[{"containerPort": 80, "hostPort": 8080}])),
         'hostPort (container "app" uses hostPort 8080)'),
        (spec(box("a", ports=[{"containerPort": 80, "hostPort": 1}]),
              box("b", ports=[{"containerPort": 81, "hostPort": 2}])),
         'hostPort (containers "a", "b" use hostPorts 1, 2)'),
        (spec(box(livenessProbe={"httpGet": {"port": 80, "host": "10.0.0.1"}})),
         'probe or lifecycle host (container "app" uses probe or lifecycle host "10.0.0.1")'),
        (spec(box(security={"privileged": True})),
         'privileged (container "app" must not set securityContext.privileged=true)'),
        (spec(securityContext={"seccompProfile": {"type": "Unconfined"}}),
         'seccompProfile (pod must not set securityContext.seccompProfile.type to "Unconfined")'),
        (spec(box(security={"seccompProfile": {"type": "Unconfined"}}),
              securityContext={"seccompProfile": {"type": "Unconfined"}}),
         'seccompProfile (pod and container "app" must not set securityContext.seccompProfile.type to "Unconfined")'),
        (spec(securityContext={"sysctls": [{"name": "kernel.msgmax", "value": "1"},
                                           {"name": "net.ipv4.tcp_syncookies", "value": "1"}]}),
         "forbidden sysctls (kernel.msgmax)"),
    ],
)  # fmt: skip
def test_baseline_refuses(made: Any, said: str) -> None:
    assert told("baseline", made) == f'PodSecurity "baseline:latest": {said}'
    assert told("privileged", made) == ""


def test_an_ordinary_pod_is_fine_at_baseline_and_not_at_restricted() -> None:
    assert told("baseline", spec()) == ""
    assert told("restricted", spec()) == (
        'PodSecurity "restricted:latest": '
        'allowPrivilegeEscalation != false (container "app" must set securityContext.allowPrivilegeEscalation=false), '
        'unrestricted capabilities (container "app" must set securityContext.capabilities.drop=["ALL"]), '
        'runAsNonRoot != true (pod or container "app" must set securityContext.runAsNonRoot=true), '
        'seccompProfile (pod or container "app" must set securityContext.seccompProfile.type to '
        '"RuntimeDefault" or "Localhost")'
    )


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (spec(box(security=GOOD)), ""),
        (spec(box(security={**GOOD, "capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}})), ""),
        (spec(box(security={**GOOD, "capabilities": {"drop": ["ALL"], "add": ["CHOWN"]}})),
         'unrestricted capabilities (container "app" must not include "CHOWN" in securityContext.capabilities.add)'),
        (spec(box(security={**GOOD, "runAsNonRoot": False})),
         'runAsNonRoot != true (container "app" must not set securityContext.runAsNonRoot=false)'),
        (spec(box(security={**GOOD, "runAsUser": 0})), 'runAsUser=0 (container "app" must not set runAsUser=0)'),
        (spec(box(security=GOOD), volumes=[{"name": "disk", "hostPath": {"path": "/"}}]),
         'restricted volume types (volume "disk" uses restricted volume type "hostPath")'),
        (spec(box(security=GOOD), volumes=[{"name": "scratch", "emptyDir": {}}]), ""),
        (spec(box(security=GOOD), initContainers=[box("init")],
              securityContext={"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}),
         'allowPrivilegeEscalation != false (container "init" must set securityContext.allowPrivilegeEscalation=false), '
         'unrestricted capabilities (container "init" must set securityContext.capabilities.drop=["ALL"])'),
    ],
)  # fmt: skip
def test_restricted_refuses(made: Any, said: str) -> None:
    assert told("restricted", made) == (f'PodSecurity "restricted:latest": {said}' if said else "")


@pytest.mark.parametrize(
    ("version", "fine"), [("v1.7", False), ("v1.22", False), ("v1.31", False), ("v1.32", True)]
)
def test_a_level_is_what_it_was_in_its_version(version: str, fine: bool) -> None:
    """tcp_rmem is counted among the safe sysctls since 1.32."""
    made = spec(securityContext={"sysctls": [{"name": "net.ipv4.tcp_rmem", "value": "1"}]})
    assert (told("baseline", made, version) == "") is fine


def test_checks_that_came_later_do_not_count_in_earlier_versions() -> None:
    root = spec(box(security={**GOOD, "runAsUser": 0}))
    assert told("restricted", root, "v1.22") == ""
    assert told("restricted", root, "v1.23") != ""
    probed = spec(box(livenessProbe={"tcpSocket": {"port": 80, "host": "10.0.0.1"}}))
    assert told("baseline", probed, "v1.33") == ""
    assert told("baseline", probed, "v1.34") != ""


def labels(**values: str) -> dict[str, str]:
    return {podsecurity.PREFIX + key.replace("_", "-"): value for key, value in values.items()}


def test_labels_choose() -> None:
    chosen = labels(enforce="baseline", enforce_version="v1.30", warn="restricted")
    assert podsecurity.policy_of(chosen) == Policy(
        enforce=Level("baseline", "v1.30"), warn=Level("restricted")
    )
    assert podsecurity.policy_of({}) == podsecurity.PRIVILEGED


def test_what_cannot_be_read_protects() -> None:
    found = podsecurity.policy_of(labels(enforce="basline", warn="basline"))
    assert (found.enforce.name, found.warn.name) == ("restricted", "privileged")


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        (labels(enforce="strict"), "must be one of privileged, baseline, restricted"),
        (labels(warn_version="1.30"), 'must be "latest" or "v1.x"'),
    ],
)
def test_levels_that_are_none_are_refused(chosen: dict[str, str], said: str) -> None:
    change = {"metadata": {"labels": chosen}}
    [complaint] = complaints("Namespace", change)
    assert said in complaint
    assert len(updated("Namespace", {}, change)) == 1
    assert updated("Namespace", change, change) == []


@pytest.mark.parametrize(
    ("new", "old", "stricter"),
    [
        (Level("restricted"), Level("baseline"), True),
        (Level("baseline"), Level("restricted"), False),
        (Level("baseline", "v1.30"), Level("baseline"), True),
        (Level(), Level("restricted"), False),
        (Level("baseline"), Level("baseline"), False),
    ],
)
def test_raising_a_level_is_known(new: Level, old: Level, stricter: bool) -> None:
    assert podsecurity.is_stricter(new, old) is stricter


def test_pods_that_are_there_are_told_together() -> None:
    def pod(name: str, **fields: Any) -> Any:
        return created(
            "Pod", {"metadata": {"name": name}, "spec": {"containers": [box()], **fields}}
        )

    pods = [pod("c", hostPID=True), pod("a", hostPID=True), pod("b", hostPID=True), pod("fine"),
            pod("d", volumes=[{"name": "v", "hostPath": {"path": "/"}}])]  # fmt: skip
    assert podsecurity.existing(Level("baseline"), "shop", pods) == [
        'existing pods in namespace "shop" violate the new PodSecurity enforce level "baseline:latest"',
        "a (and 2 other pods): host namespaces",
        "d: hostPath volumes",
    ]


def test_only_a_new_image_is_judged_again() -> None:
    old, labelled, other = (created("Pod") for _ in range(3))
    labelled.metadata.labels["a"] = "b"
    other.spec.containers[0].image = "j:1"
    assert not podsecurity.is_judged_again(labelled, old)
    assert podsecurity.is_judged_again(other, old)
