"""ConfigMaps and Secrets through the program, against a real server with a hollow node."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.cli_runner import Cli, cluster

CANARY = "c4n4ryInTheMine"
POD = """apiVersion: v1
kind: Pod
metadata:
  name: shop
spec:
  containers:
  - name: main
    image: helmling/hello:v1
    env:
    - name: PASSWORD
      valueFrom:
        secretKeyRef: {name: db, key: password}
"""
SECRET = """apiVersion: v1
kind: Secret
metadata:
  name: written
stringData:
  password: %s
"""


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    with cluster(tmp_path_factory.mktemp("config"), "--hollow=1", "--node-name=n") as cli:
        yield cli


def test_a_config_map_from_create_to_delete(cli: Cli) -> None:
    said = cli.ok("create", "configmap", "app", "--from-literal=color=blue")
    assert said.out == "configmap/app created\n"
    assert cli.fails("create", "cm", "app") == (
        'Error from server (AlreadyExists): configmaps "app" already exists\n'
    )
    header, row = cli.ok("get", "cm", "app").lines()
    assert header.split() == ["NAME", "DATA", "AGE"]
    assert row.split()[:2] == ["app", "1"]
    assert cli.ok("get", "cm", "app", "-o", "jsonpath={.data.color}").out == "blue"
    told = cli.ok("describe", "cm", "app").lines()
    assert told[told.index("Data") :][:5] == ["Data", "====", "color:", "----", "blue"]
    cli.ok("patch", "cm", "app", "-p", '{"immutable": true}')
    refused = cli.fails("patch", "cm", "app", "-p", '{"data": {"color": "red"}}')
    assert "data: Forbidden: field is immutable when `immutable` is set" in refused
    cli.ok("delete", "cm", "app")


def test_a_secret_s_value_is_shown_to_who_asks_for_it_only(cli: Cli) -> None:
    said = cli.ok("create", "secret", "generic", "db", f"--from-literal=password={CANARY}")
    assert said.out == "secret/db created\n"
    assert cli.ok("get", "secrets", "db").lines()[1].split()[:3] == ["db", "Opaque", "1"]
    told = cli.ok("describe", "secret", "db").out
    assert "password:  15 bytes" in told
    assert CANARY not in told
    shown = cli.ok("get", "secret", "db", "-o", "json").json()
    assert shown["data"] == {"password": "YzRuNHJ5SW5UaGVNaW5l"}


def test_apply_and_diff_of_a_secret(cli: Cli) -> None:
    apply = ("apply", "-f", "-")
    assert cli.ok(*apply, stdin=SECRET % "one").out == "secret/written created\n"
    assert cli.ok(*apply, stdin=SECRET % "one").out == "secret/written unchanged\n"
    done = cli.run("diff", "-f", "-", stdin=SECRET % CANARY)
    assert done.code == 1
    assert "*** (before)" in done.out
    assert "*** (after)" in done.out
    assert CANARY not in done.out
    assert cli.ok(*apply, stdin=SECRET % "two").out == "secret/written configured\n"
    wrong = SECRET % "271828182"
    assert "271828182" not in cli.fails(*apply, stdin=wrong)


def test_an_exposed_secret_is_warned_of_and_a_missing_one_waited_for(cli: Cli) -> None:
    cli.run("delete", "secret", "db")
    said = cli.ok("apply", "-f", "-", stdin=POD)
    assert said.out == "pod/shop created\n"
    assert said.err.startswith("Warning: containers[0]: environment variables from Secrets")
    cli.ok(
        "wait", "pod/shop",
        "--for=jsonpath={.status.containerStatuses[0].state.waiting.reason}=CreateContainerConfigError",
    )  # fmt: skip
    assert 'secret "db" not found' in cli.ok("describe", "pod", "shop").out
    cli.ok("create", "secret", "generic", "db", f"--from-literal=password={CANARY}")
    cli.ok("wait", "--for=condition=Ready", "pod/shop")
    told = cli.ok("describe", "pod", "shop").out
    assert "<set to the key 'password' in secret 'db'>  Optional: false" in told
    assert CANARY not in told + cli.ok("get", "events", "-o", "yaml").out
    assert cli.ok("apply", "-f", "-", stdin=POD).err == ""


def test_makers_refuse_in_kubectl_s_words(cli: Cli, tmp_path: Path) -> None:
    assert "either --from-file or the combination" in cli.fails(
        "create", "secret", "docker-registry", "hub"
    )
    assert "helmling create makes these by name" in cli.fails("create", "secret")
    bad = tmp_path / "a b"
    bad.write_text("x")
    said = cli.fails("create", "configmap", "odd", f"--from-file={bad}")
    assert "a valid config key must consist of alphanumeric characters" in said
    big = tmp_path / "big"
    big.write_bytes(b"x" * (1024 * 1024 + 1))
    said = cli.fails("create", "configmap", "big", f"--from-file={big}")
    assert "data: Too long: may not be more than 1048576 bytes" in said


def test_no_log_of_the_cluster_shows_a_value(cli: Cli) -> None:
    """Whatever the tests before this one made the server and the agent say."""
    logs = [path for path in cli.data_dir.rglob("*.log") if path.is_file()]
    assert logs
    for path in logs:
        assert CANARY.encode() not in path.read_bytes(), path
