"""Roles, bindings and ServiceAccounts as objects: defaults, what is refused and with which words, rows; pods' accounts."""

import re
from typing import Any

import pytest

from api import kinds
from control_plane.apiserver import podaccount
from proto.v1.authentication_pb2 import ServiceAccount
from proto.v1.meta_pb2 import LocalObjectReference
from tests.manifests import NOW, complaints, created, strategy

GROUP = kinds.RBAC
PODS = {"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}
JANE = {"kind": "User", "name": "jane"}


@pytest.mark.parametrize(
    ("kind", "change", "told"),
    [
        ("Role", {"rules": [PODS]}, []),
        ("Role", {"metadata": {"name": "system:any:thing"}}, []),
        ("Role", {"metadata": {"name": "a/b"}}, ["metadata.name: Invalid value: \"a/b\": may not contain '/'"]),
        ("Role", {"rules": [{}]}, [
            "rules[0].verbs: Required value: verbs must contain at least one value",
            "rules[0].apiGroups: Required value: resource rules must supply at least one api group",
            "rules[0].resources: Required value: resource rules must supply at least one resource",
        ]),
        ("Role", {"rules": [{"verbs": ["get"], "nonResourceURLs": ["/x"]}]}, [
            'rules[0].nonResourceURLs: Invalid value: ["/x"]: namespaced rules cannot apply to non-resource URLs',
        ]),
        ("ClusterRole", {"rules": [{"verbs": ["get"], "nonResourceURLs": ["/x"]}]}, []),
        ("ClusterRole", {"rules": [{**PODS, "nonResourceURLs": ["/x"]}]}, [
            'rules[0].nonResourceURLs: Invalid value: ["/x"]: rules cannot apply to both regular resources and '
            "non-resource URLs",
        ]),
        ("ClusterRole", {"aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]}}, []),
        ("ClusterRole", {"aggregationRule": {}}, ["aggregationRule.clusterRoleSelectors: Required value"]),
        ("RoleBinding", {"subjects": [{"kind": "User"}]}, ["subjects[0].name: Required value"]),
        ("RoleBinding", {"subjects": [{"kind": "Robot", "name": "x"}]}, [
            'subjects[0].kind: Unsupported value: "Robot": supported values: "User", "Group", "ServiceAccount"',
        ]),
        ("RoleBinding", {"subjects": [{**JANE, "apiGroup": "apps"}]}, [
            f'subjects[0].apiGroup: Unsupported value: "apps": supported values: "{GROUP}"',
        ]),
        ("RoleBinding", {"subjects": [{"kind": "ServiceAccount", "name": "r", "apiGroup": GROUP}]}, [
            f'subjects[0].apiGroup: Unsupported value: "{GROUP}": supported values: ""',
        ]),
        ("RoleBinding", {"subjects": [{"kind": "ServiceAccount", "name": "r"}]}, []),
        ("ClusterRoleBinding", {"subjects": [{"kind": "ServiceAccount", "name": "r"}]}, [
            "subjects[0].namespace: Required value",
        ]),
        ("ClusterRoleBinding", {"roleRef": {"kind": "Role"}}, [
            'roleRef.kind: Unsupported value: "Role": supported values: "ClusterRole"',
        ]),
        ("RoleBinding", {"roleRef": {"apiGroup": "apps"}}, [
            f'roleRef.apiGroup: Unsupported value: "apps": supported values: "{GROUP}"',
        ]),
        ("RoleBinding", {"roleRef": None}, ["roleRef: Required value"]),
        ("ServiceAccount", {}, []),
        ("ServiceAccount", {"metadata": {"name": "A_b"}}, ["metadata.name: Invalid value: \"A_b\": a lowercase RFC 1123"]),
    ],
)  # fmt: skip
def test_what_is_refused(kind: str, change: dict[str, Any], told: list[str]) -> None:
    found = complaints(kind, change)
    assert len(found) == len(told), found
    for complaint, start in zip(found, told, strict=True):
        assert complaint.startswith(start)


def test_a_binding_is_completed() -> None:
    subjects = [JANE, {"kind": "Group", "name": "g"}, {"kind": "ServiceAccount", "name": "r"}]
    binding = created("RoleBinding", {"subjects": subjects, "roleRef": {"apiGroup": ""}})
    assert binding.roleRef.apiGroup == GROUP
    assert [each.apiGroup for each in binding.subjects] == [GROUP, GROUP, ""]


def test_a_binding_never_gives_another_role() -> None:
    old, new = created("RoleBinding"), created("RoleBinding", {"roleRef": {"name": "admin"}})
    [cause] = strategy("RoleBinding").validate_update(new, old)
    assert cause.field == "roleRef"
    assert cause.message.endswith("cannot change roleRef")


def test_rows() -> None:
    def row(kind: str, change: dict[str, Any] | None = None) -> list[Any]:
        return list(strategy(kind).row(created(kind, change), NOW))

    assert row("Role") == ["reader", "2026-01-02T03:03:05Z"]
    assert row("ServiceAccount") == ["robot", 0, "60s"]
    subjects = [JANE, {"kind": "ServiceAccount", "name": "r", "namespace": "n"}]
    assert row("RoleBinding", {"subjects": subjects}) == [
        "reads", "Role/reader", "60s", "jane", "", "n/r",
    ]  # fmt: skip


# The account of a pod


def mounted(pod: Any) -> list[str]:
    return [
        mount.name
        for container in (*pod.spec.initContainers, *pod.spec.containers)
        for mount in container.volumeMounts
        if mount.mountPath == podaccount.ROOT
    ]


def with_account(pod: Any, **account: Any) -> Any:
    podaccount.name_account(pod)
    podaccount.complete(pod, ServiceAccount(**account))
    return pod


def test_every_container_gets_a_token() -> None:
    inits = [{"name": "i", "image": "i:1"}]
    pod = with_account(created("Pod", {"spec": {"initContainers": inits}}))
    [volume] = pod.spec.volumes
    assert re.fullmatch("kube-api-access-[a-z0-9]{5}", volume.name)
    assert mounted(pod) == [volume.name] * 2
    token, ca, namespace = volume.projected.sources
    assert token.serviceAccountToken.expirationSeconds == 3607
    assert ca.configMap.name == "kube-root-ca.crt"
    assert namespace.downwardAPI.items[0].fieldRef.fieldPath == "metadata.namespace"
    assert strategy("Pod").validate(pod) == []


def test_replicas_differ_in_nothing_but_their_names() -> None:
    """So that the verdict on one holds for all (see `new_pod` in kinds.py)."""
    first, second = (with_account(created("Pod")) for _ in range(2))
    assert first.spec == second.spec


def test_twice_changes_nothing() -> None:
    once = with_account(created("Pod"))
    again = type(once).FromString(once.SerializeToString())
    assert with_account(again) == once


def test_a_mount_of_ones_own_stays() -> None:
    own = [{"name": "mine", "mountPath": podaccount.ROOT}]
    volumes = [{"name": "mine", "emptyDir": {}}]
    containers = [{"name": "a", "image": "i:1", "volumeMounts": own}]
    pod = created("Pod", {"spec": {"containers": containers, "volumes": volumes}})
    assert mounted(with_account(pod)) == ["mine"]
    assert len(pod.spec.volumes) == 1


@pytest.mark.parametrize(
    ("pod", "account", "gets"),
    [(None, None, True), (None, False, False), (True, False, True), (False, True, False)],
)
def test_who_wants_no_token_says_so(pod: bool | None, account: bool | None, gets: bool) -> None:
    spec = {} if pod is None else {"automountServiceAccountToken": pod}
    said = {} if account is None else {"automountServiceAccountToken": account}
    assert bool(mounted(with_account(created("Pod", {"spec": spec}), **said))) is gets


def test_the_accounts_logins_are_the_pods_unless_it_has_its_own() -> None:
    pulls = [LocalObjectReference(name="theirs")]
    assert [
        each.name
        for each in with_account(created("Pod"), imagePullSecrets=pulls).spec.imagePullSecrets
    ] == ["theirs"]
    own = created("Pod", {"spec": {"imagePullSecrets": [{"name": "mine"}]}})
    assert [
        each.name for each in with_account(own, imagePullSecrets=pulls).spec.imagePullSecrets
    ] == ["mine"]


def test_the_old_name_of_the_field_counts() -> None:
    pod = created("Pod", {"spec": {"serviceAccount": "robot"}})
    podaccount.name_account(pod)
    assert (pod.spec.serviceAccountName, pod.spec.serviceAccount) == ("robot", "robot")
    fresh = created("Pod")
    podaccount.name_account(fresh)
    assert fresh.spec.serviceAccountName == "default"
