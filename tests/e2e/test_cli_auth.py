"""Rights from the command line: auth, --as, create role and its sisters, tokens; words and exit codes are kubectl's."""

import json
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.cli_runner import Cli, cluster


@pytest.fixture(scope="module")
def hollow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    with cluster(tmp_path_factory.mktemp("hollow"), "--hollow=1") as cli:
        cli.ok("wait", "--for=create", "serviceaccount/default", "--timeout=30s")
        yield cli


def test_can_i(hollow: Cli) -> None:
    assert hollow.ok("auth", "can-i", "create", "pods").out == "yes\n"
    said = hollow.run("auth", "can-i", "create", "pods", "--as=jane")
    assert (said.code, said.out) == (1, "no\n")
    quiet = hollow.run("auth", "can-i", "create", "pods", "--as=jane", "-q")
    assert (quiet.code, quiet.out) == (1, "")
    assert hollow.ok("auth", "can-i", "get", "/version", "--as=jane").out == "yes\n"
    said = hollow.run("auth", "can-i", "get", "/metrics", "--as=jane")
    assert said.code == 1
    assert (
        "doesn't have a resource type 'wombats'"
        in hollow.run("auth", "can-i", "eat", "wombats").err
    )
    assert "is not a known verb" in hollow.run("auth", "can-i", "eat", "wombats").err
    assert "you must specify two arguments" in hollow.fails("auth", "can-i", "get", code=1)


def test_rights_are_given_and_seen(hollow: Cli) -> None:
    made = hollow.ok("create", "role", "reader", "--verb=get,list", "--verb=watch", "--resource=pods,pods/log,deploy").out  # fmt: skip
    assert made == "role.rbac.authorization.k8s.io/reader created\n"
    assert hollow.ok("get", "role", "reader", "-o", "jsonpath={.rules}").out == json.dumps(
        [
            {"verbs": ["get", "list", "watch"], "apiGroups": [""], "resources": ["pods", "pods/log"]},
            {"verbs": ["get", "list", "watch"], "apiGroups": ["apps"], "resources": ["deployments"]},
        ],
        separators=(",", ":"),
    )  # fmt: skip
    hollow.ok("create", "serviceaccount", "robot")
    hollow.ok("create", "rolebinding", "reads", "--role=reader", "--user=jane", "--serviceaccount=default:robot")  # fmt: skip
    robot = "--as=system:serviceaccount:default:robot"
    assert hollow.ok("auth", "can-i", "list", "pods", "--as=jane").out == "yes\n"
    assert hollow.ok("auth", "can-i", "get", "pods/web", "--subresource=log", robot).out == "yes\n"
    assert hollow.run("auth", "can-i", "delete", "pods", robot).code == 1
    assert hollow.run("auth", "can-i", "list", "pods", "-A", "--as=jane").code == 1
    hollow.ok("get", "pods", "--as=jane")
    refused = hollow.fails("get", "pods", "-n", "kube-system", "--as=jane")
    assert refused == (
        'Error from server (Forbidden): pods is forbidden: User "jane" cannot list resource "pods" '
        'in API group "" in the namespace "kube-system"\n'
    )
    listed = hollow.ok("auth", "can-i", "--list", "--as=jane").lines()
    assert listed[0].split() == ["Resources", "Non-Resource", "URLs", "Resource", "Names", "Verbs"]
    assert ["pods/log", "[]", "[]", "[get", "list", "watch]"] in [line.split() for line in listed]
    assert hollow.ok("get", "rolebinding", "reads", "-o", "wide").lines()[1].split()[:2] == ["reads", "Role/reader"]  # fmt: skip
    assert "ServiceAccount  robot" in " ".join(
        hollow.ok("describe", "rolebinding", "reads").out.replace("   ", "  ").split("\n")
    )
    assert "deployments.apps" in hollow.ok("describe", "role", "reader").out


def test_create_refuses_what_makes_no_sense(hollow: Cli) -> None:
    for words, told in {
        ("role", "x", "--resource=pods"): "at least one verb must be specified",
        ("role", "x", "--verb=get"): "at least one resource must be specified",
        (
            "role",
            "x",
            "--verb=get",
            "--resource=wombats",
        ): 'doesn\'t have a resource type "wombats"',
        ("clusterrole", "x", "--verb=get", "--non-resource-url=logs"): "should start with /",
        ("rolebinding", "x", "--user=a"): "exactly one clusterrole or role must be specified",
        ("rolebinding", "x", "--role=r", "--serviceaccount=a"): "must be <namespace>:<name>",
        ("clusterrolebinding", "x", "--user=a"): "clusterrole must be specified",
        ("clusterrole", "x", "--aggregation-rule=a=b", "--verb=get"): "without other rules",
    }.items():
        assert told in hollow.fails("create", *words), words
    plain = hollow.ok("create", "clusterrole", "x", "--aggregation-rule=a=b", "--dry-run=client", "-o", "json").json()  # fmt: skip
    assert plain["aggregationRule"] == {"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]}


def test_whoami(hollow: Cli) -> None:
    rows = [line.split() for line in hollow.ok("auth", "whoami").lines()]
    assert rows[:2] == [["ATTRIBUTE", "VALUE"], ["Username", "kubernetes-admin"]]
    assert ["Groups", "[system:masters", "system:authenticated]"] in rows
    mine = hollow.ok(
        "auth", "whoami", "--as=bob", "--as-group=a", "--as-uid=7", "-o", "json"
    ).json()
    assert mine["status"]["userInfo"] == {
        "username": "bob", "uid": "7", "groups": ["a", "system:authenticated"],
    }  # fmt: skip
    assert "name a user with --as" in hollow.fails("auth", "whoami", "--as-group=a")


def claims(token: str) -> Any:
    body = token.split(".")[1]
    return json.loads(urlsafe_b64decode(body + "=" * (-len(body) % 4)))


def test_tokens(hollow: Cli) -> None:
    command = hollow.ok("token", "create", "--print-join-command").out.split()
    (door,) = (word.removeprefix("--join=") for word in command if word.startswith("--join="))
    hollow.ok("create", "serviceaccount", "guest")
    token = hollow.ok("create", "token", "guest", "--duration=10m").out.strip()
    said = claims(token)
    assert said["sub"] == "system:serviceaccount:default:guest"
    assert said["exp"] - said["iat"] == 600
    who = hollow.ok("auth", "whoami", f"--server={door}", f"--token={token}").out
    assert "system:serviceaccounts:default" in who
    refused = hollow.fails("get", "pods", f"--server={door}", f"--token={token}")
    assert 'User "system:serviceaccount:default:guest" cannot list resource "pods"' in refused
    assert "not found" in hollow.fails("create", "token", "nobody")
    assert "less than 10 minutes" in hollow.fails("create", "token", "guest", "--duration=1m")
    hollow.ok("delete", "serviceaccount", "guest")
    assert "You must be logged in" in hollow.fails("get", "pods", f"--server={door}", f"--token={token}")  # fmt: skip


ROLES = """apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: mine}
rules:
- {verbs: [get, list], apiGroups: [""], resources: [pods]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: mine}
subjects: [{kind: User, name: jane}]
roleRef: {kind: Role, name: mine}
"""


def test_reconcile(hollow: Cli, tmp_path: Path) -> None:
    first = hollow.ok("auth", "reconcile", "-f", "-", stdin=ROLES).lines()
    assert first == [
        "role.rbac.authorization.k8s.io/mine reconciled",
        "\treconciliation required create",
        "\tmissing rules added:",
        '\t\t{APIGroups:[""], Resources:["pods"], Verbs:["get" "list"]}',
        "rolebinding.rbac.authorization.k8s.io/mine reconciled",
        "\treconciliation required create",
        "\tmissing subjects added:",
        "\t\tUser jane",
    ]
    again = hollow.ok("auth", "reconcile", "-f", "-", stdin=ROLES).lines()
    assert [line for line in again if line.startswith("\t")] == []
    more = ROLES.replace("[get, list]", "[get, delete]").replace("jane", "joe")
    hollow.ok("auth", "reconcile", "-f", "-", stdin=more)
    for user, verb in (("jane", "list"), ("joe", "delete")):
        assert hollow.ok("auth", "can-i", verb, "pods", f"--as={user}").out == "yes\n"
    strict = ("--remove-extra-permissions", "--remove-extra-subjects")
    hollow.ok("auth", "reconcile", "-f", "-", *strict, stdin=more)
    assert hollow.run("auth", "can-i", "list", "pods", "--as=joe").code == 1
    pods = "apiVersion: v1\nkind: Namespace\nmetadata: {name: x}\n"
    assert "only rbac.authorization.k8s.io/v1 is supported" in hollow.fails(
        "auth", "reconcile", "-f", "-", stdin=pods
    )


def test_a_pod_has_an_account_and_its_token(hollow: Cli) -> None:
    hollow.ok("run", "web", "--image=helmling/hello:v1")
    hollow.ok("wait", "--for=condition=Ready", "pod/web", "--timeout=30s")
    pod = hollow.ok("get", "pod", "web", "-o", "json").json()
    assert pod["spec"]["serviceAccountName"] == "default"
    [volume] = pod["spec"]["volumes"]
    assert volume["name"].startswith("kube-api-access-")


def test_who_may_get_one_object_sees_it_in_every_form(hollow: Cli) -> None:
    """`get NAME` takes the verb get for that name: no list, no events."""
    hollow.ok("create", "secret", "generic", "hers", "--from-literal=a=b")
    hollow.ok("create", "secret", "generic", "his", "--from-literal=a=b")
    hollow.ok("create", "role", "hers", "--verb=get", "--resource=secrets", "--resource-name=hers")
    hollow.ok("create", "rolebinding", "hers", "--role=hers", "--user=gina")
    assert hollow.ok("get", "secret", "hers", "--as=gina").lines()[1].split()[0] == "hers"
    assert hollow.ok("get", "secret", "hers", "-o", "name", "--as=gina").out == "secret/hers\n"
    told = hollow.ok("describe", "secret", "hers", "--as=gina").out
    assert "a:  1 bytes" in told
    assert "Events:  <not shown: events is forbidden" in told
    refused = hollow.fails("get", "secret", "his", "--as=gina")
    assert 'secrets "his" is forbidden: User "gina" cannot get resource "secrets"' in refused
    assert 'cannot list resource "secrets"' in hollow.fails("get", "secrets", "--as=gina")
    gone = hollow.fails("get", "secret", "nobodys")
    assert gone == 'Error from server (NotFound): secrets "nobodys" not found\n'
    hollow.ok("get", "secret", "nobodys", "--ignore-not-found")


def test_the_keys_are_for_whom_one_asks_as(hollow: Cli) -> None:
    """--as counts for every call: a command that left it out would do as the administrator what jane may not."""
    before = hollow.ok("secrets", "status").out
    for words in (("status",), ("rotate-key",), ("reencrypt",), ("remove-key", "key")):
        refused = hollow.fails("secrets", *words, "--as=jane")
        assert 'User "jane" cannot see or change the encryption keys' in refused
    assert hollow.ok("secrets", "status").out == before
