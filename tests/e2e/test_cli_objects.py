"""The commands that show objects, against a real server with hollow nodes."""

import signal
from pathlib import Path

from tests.e2e.cli_runner import Cli, background, read_until
from tests.e2e.hollow_pods import manifest, namespace_of, running
from tests.waiting import eventually


def test_get_prints_the_servers_table(cli: Cli) -> None:
    running(cli, "web", "--labels=app=web,tier=front")
    header, row = cli.ok("get", "pods").lines()
    assert header.split() == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    assert row.split()[:4] == ["web", "1/1", "Running", "0"]
    assert cli.ok("get", "po", "--no-headers").lines()[0].startswith("web")
    wide = cli.ok("get", "pod/web", "-o", "wide").lines()[0].split()
    assert {"IP", "NODE"} <= set(wide)
    labels = cli.ok("get", "pods", "-L", "tier,none", "--show-labels").lines()
    assert labels[0].split()[-3:] == ["TIER", "NONE", "LABELS"]
    assert labels[1].split()[-3:] == ["front", "<none>", "app=web,tier=front"]
    everywhere = cli.ok("get", "pods", "-A").lines()
    assert everywhere[0].split()[0] == "NAMESPACE"
    assert any(line.split()[:2] == [namespace_of(cli), "web"] for line in everywhere)


def test_get_selects(cli: Cli) -> None:
    for name, app in (("a", "x"), ("b", "x"), ("c", "y")):
        cli.ok("apply", "-f", "-", stdin=manifest(name, app))
    assert cli.ok("get", "pods", "-l", "app=x", "-o", "name").lines() == ["pod/a", "pod/b"]
    assert cli.ok("get", "pods", "-l", "app notin (x)", "-o", "name").lines() == ["pod/c"]
    fields = "metadata.name=b"
    assert cli.ok("get", "pods", "--field-selector", fields, "-o", "name").lines() == ["pod/b"]
    assert cli.ok("get", "pods", "--chunk-size=1", "-o", "name").lines() == [
        "pod/a",
        "pod/b",
        "pod/c",
    ]
    names = [
        line.split()[0] for line in cli.ok("get", "pods", "--sort-by=.metadata.labels.app").lines()
    ]
    assert names == ["NAME", "a", "b", "c"]


def test_get_in_other_forms(cli: Cli) -> None:
    running(cli, "web")
    assert cli.ok("get", "pod", "web", "-o", "json").json()["status"]["phase"] == "Running"
    assert cli.ok("get", "pods", "-o", "json").json()["kind"] == "List"
    written = cli.ok("get", "pod", "web", "-o", "yaml").lines()
    assert written[:3] == ["apiVersion: v1", "kind: Pod", "metadata:"]
    assert cli.ok("get", "pod", "web", "-o", "jsonpath={.status.phase}").out == "Running"
    columns = "NAME:.metadata.name,IMAGE:.spec.containers[*].image"
    assert cli.ok("get", "pods", "-o", f"custom-columns={columns}").lines() == [
        "NAME   IMAGE",
        "web    helmling/hello:v1",
    ]
    assert "not supported" in cli.fails("get", "pods", "-o", "go-template={{.x}}")
    assert 'did you mean "yaml"' in cli.fails("get", "pods", "-o", "yml")


def test_get_several_kinds(cli: Cli) -> None:
    """Each kind has a table of its own, and its name before the objects'."""
    running(cli, "web")
    text = cli.ok("get", "pods,nodes").out
    assert "pod/web" in text
    assert "node/n-1" in text
    assert "\n\nNAME" in text
    assert "pod/web" in cli.ok("get", "all", "-o", "name").out


def test_get_what_is_not_there(cli: Cli) -> None:
    name = namespace_of(cli)
    assert cli.ok("get", "pods").err == f"No resources found in {name} namespace.\n"
    assert cli.fails("get", "pod", "x") == 'Error from server (NotFound): pods "x" not found\n'
    assert (
        cli.fails("get", "pod", "x", "-o", "yaml")
        == 'Error from server (NotFound): pods "x" not found\n'
    )
    assert cli.ok("get", "pod", "x", "--ignore-not-found").out == ""
    assert (
        cli.fails("get", "pdos")
        == 'error: the server doesn\'t have a resource type "pdos", did you mean "pods"?\n'
    )
    assert "You must specify the type" in cli.fails("get")
    assert "name cannot be provided" in cli.fails("get", "pod", "x", "-l", "a=b")
    assert "Error from server (BadRequest)" in cli.fails("get", "pods", "-l", "a in b in c")


def test_get_watches(cli: Cli) -> None:
    with background(cli, "get", "pods", "-w", "--output-watch-events") as watch:
        cli.ok("apply", "-f", "-", stdin=manifest("later"))
        seen = read_until(watch, "Running")
        assert seen.splitlines()[0].split()[:2] == ["EVENT", "NAME"]
        cli.ok("delete", "pod", "later")
        read_until(watch, "DELETED")
        watch.send_signal(signal.SIGINT)
        assert watch.wait() == 130


def test_describe(cli: Cli) -> None:
    running(cli, "web", "--env=COLOR=blue", "--port=80")
    text = cli.ok("describe", "pod", "web").out
    for expected in (
        "Name:",
        "Node:",
        "Status:",
        "80/TCP",
        "COLOR:  blue",
        "Ready",
        "QoS Class:",
        "Scheduled",
        "Started",
    ):
        assert expected in text
    node = cli.ok("describe", "node", "n-1").out
    for expected in (
        "Allocated resources:",
        "Non-terminated Pods:",
        "Capacity:",
        "Conditions:",
        "Lease:",
    ):
        assert expected in node
    assert "Active" in cli.ok("describe", "ns", namespace_of(cli)).out
    event = cli.ok("get", "events", "-o", "jsonpath={.items[0].metadata.name}").out
    assert "Reason:" in cli.ok("describe", "event", event).out
    lease = ("lease", "n-1", "-n", "kube-node-lease")
    eventually(lambda: cli.run("get", *lease).code == 0)  # its first heartbeat
    assert "Holder:" in cli.ok("describe", *lease).out
    assert "Name:" in cli.ok("describe", "pod", "we").out  # the beginning of a name will do
    assert cli.fails("describe", "pod", "x") == 'Error from server (NotFound): pods "x" not found\n'


def test_events(cli: Cli) -> None:
    running(cli, "web")
    lines = cli.ok("events", "--for", "pod/web").lines()
    assert lines[0].split() == ["LAST", "SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]
    assert any("Scheduled" in line for line in lines)
    assert "No events found" in cli.ok("events", "--types=Warning").err
    assert cli.ok("events", "-A", "--no-headers").lines()
    assert cli.ok("events", "-o", "json").json()["items"]
    assert "valid --types" in cli.fails("events", "--types=Bad")
    assert "expected TYPE/NAME" in cli.fails("events", "--for=web")
    with background(cli, "events", "-w") as watch:
        cli.ok("delete", "pod", "web")
        read_until(watch, "Killing")


def test_wait(cli: Cli) -> None:
    cli.ok("apply", "-f", "-", stdin=manifest("web"))
    assert (
        cli.ok("wait", "--for=condition=Ready", "pod/web", "--timeout=60s").out
        == "pod/web condition met\n"
    )
    assert (
        cli.ok("wait", "--for=jsonpath={.status.phase}=Running", "pod/web").out
        == "pod/web condition met\n"
    )
    assert cli.ok("wait", "--for=create", "pod", "web").out == "pod/web condition met\n"
    assert (
        cli.ok("wait", "--for=condition=Ready", "pods", "-l", "app=web").out
        == "pod/web condition met\n"
    )
    assert cli.fails("wait", "--for=delete", "pod/web", "--timeout=300ms") == (
        "error: timed out waiting for the condition on pods/web\n"
    )
    with background(cli, "wait", "--for=delete", "pod/web", "--timeout=60s") as waiting:
        cli.ok("delete", "pod", "web")
        assert waiting.wait() == 0
    assert "NotFound" in cli.fails("wait", "--for=condition=Ready", "pod/web")
    assert cli.ok("wait", "--for=delete", "pod/web").code == 0
    assert "unrecognized condition" in cli.fails("wait", "--for=luck", "pod/web")
    assert "no matching resources found" in cli.fails(
        "wait", "--for=condition=Ready", "pods", "--all"
    )


def test_explain() -> None:
    """Needs no cluster."""
    cli = Cli(Path("/nowhere"))
    page = cli.ok("explain", "pod.spec.containers.imagePullPolicy").out
    assert "FIELD: imagePullPolicy <string>" in page
    assert '"IfNotPresent"' in page
    tree = cli.ok("explain", "pod.spec.containers", "--recursive").lines()
    assert any(line.startswith("    containerPort\t<integer> -required-") for line in tree)
    assert 'did you mean "containers"' in cli.fails("explain", "pod.spec.contaners")
    assert "resource type" in cli.fails("explain", "pdo")


def test_small_commands(cli: Cli) -> None:
    assert cli.ok("api-resources").lines()[0].split() == [
        "NAME",
        "SHORTNAMES",
        "APIVERSION",
        "NAMESPACED",
        "KIND",
    ]
    assert "nodes" in cli.ok("api-resources", "--namespaced=false", "-o", "name").lines()
    version = cli.ok("version", "-o", "json").json()
    assert version["serverVersion"]["kubernetes"].startswith("v1.")
    assert cli.ok("version", "--client").out.startswith("Client Version: v")
    assert "control plane is running at" in cli.ok("cluster-info").out
    assert "current-context: helmling" in cli.ok("config", "view").out
    assert cli.ok("config", "current-context").out == "helmling\n"
    assert cli.ok("config", "get-contexts").lines()[1].split()[:2] == ["*", "helmling"]
    assert 'did you mean "view"' in cli.fails("config", "veiw")
    assert 'unknown command "gte"' in cli.fails("gte")
    assert "kubectl command that helmling does not have" in cli.fails("kustomize")


def test_completion(cli: Cli) -> None:
    running(cli, "web")
    for shell in ("bash", "zsh", "fish"):
        assert "__complete" in cli.ok("completion", shell).out
    assert "which shell" in cli.fails("completion")
    assert cli.ok("__complete", "--", "de").lines() == ["delete", "describe"]
    assert cli.ok("__complete", "--", "get", "pod").lines() == [
        "poddisruptionbudgets",
        "pods",
    ]
    assert cli.ok("__complete", "--", "rollout", "status", "").lines() == [
        "daemonsets",
        "deployments",
        "statefulsets",
    ]
    assert cli.ok("__complete", "--", "create", "jo").lines() == ["job"]
    assert cli.ok("__complete", "--", "logs", "pods/").lines() == ["pods/web"]
    assert cli.ok("__complete", "--", "get", "pods", "").lines() == ["web"]
    assert "--selector" in cli.ok("__complete", "--", "get", "--se").lines()
    assert "pod.spec.hostname" in cli.ok("__complete", "--", "explain", "pod.spec.host").lines()
    assert namespace_of(cli) in cli.ok("__complete", "--", "get", "-n", "").lines()


def test_help(cli: Cli) -> None:
    overview = cli.ok("help").out
    assert "Basic Commands (Beginner):" in overview
    from cli.main import COMMANDS

    for word in COMMANDS:
        page = cli.ok(word, "--help").out
        assert "Examples:" in page
        assert f"helmling {word}" in page


def test_a_reader_that_leaves_early_is_no_error(cli: Cli) -> None:
    """`helmling explain … | head -1`."""
    with background(cli, "explain", "pod", "--recursive") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        process.wait()
        assert process.stderr.read() == b""
