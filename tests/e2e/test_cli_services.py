"""Services, ingresses and policies through the program, against a real server with hollow nodes (S#81, S#90, S#91)."""

from collections.abc import Iterator

import pytest

from tests.e2e.cli_runner import Cli, cluster

POLICY = """apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db}
spec:
  podSelector: {matchLabels: {app: db}}
  ingress:
  - from:
    - podSelector: {matchLabels: {app: web}}
    - ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}
    ports: [{port: 5432}]
"""
STUCK = """apiVersion: v1
kind: Pod
metadata: {name: stuck, labels: {app: web}}
spec:
  nodeSelector: {disk: none}
  containers: [{name: main, image: "helmling/hello:v1"}]
"""


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    folder = tmp_path_factory.mktemp("services")
    with cluster(folder, "--hollow=2", "--node-name=n", "--service-cidr=10.77.0.0/24") as cli:
        cli.ok(
            "create", "deployment", "web", "--image=helmling/hello:v1", "--replicas=2", "--port=80"
        )
        cli.ok("rollout", "status", "deployment/web")
        yield cli


@pytest.fixture(autouse=True)
def clean(cli: Cli) -> Iterator[None]:
    yield
    names = [n for n in cli.ok("get", "svc", "-o", "name").lines() if n != "service/kubernetes"]
    if names:
        cli.ok("delete", *names)
    cli.ok("delete", "ingress,networkpolicy", "--all")


def columns(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


def ready(cli: Cli, name: str, count: int) -> None:
    """Until so many stand behind the service."""
    jsonpath = "{range .items[*].endpoints[*]}{.conditions.ready} {end}"
    label = f"-lkubernetes.io/service-name={name}"
    while (
        cli.ok("get", "endpointslices", label, "-o", f"jsonpath={jsonpath}").out.split()
        != ["true"] * count
    ):
        pass


def test_a_cluster_has_the_service_kubernetes(cli: Cli) -> None:
    [header, row] = columns(cli.ok("get", "svc").out)
    assert header == ["NAME", "TYPE", "CLUSTER-IP", "EXTERNAL-IP", "PORT(S)", "AGE"]
    assert row[:5] == ["kubernetes", "ClusterIP", "10.77.0.1", "<none>", "443/TCP"]
    assert "10.77.0.10" in cli.ok("get", "svc", "kube-dns", "-n", "kube-system").out


def test_a_deployment_is_exposed_and_described_with_who_stands_behind_it(cli: Cli) -> None:
    assert cli.ok("expose", "deployment", "web", "--port=80").out == "service/web exposed\n"
    ready(cli, "web", 2)
    told = cli.ok("describe", "svc", "web").out
    assert "Selector:                 app=web" in told
    assert "TargetPort:               80/TCP" in told
    rows = [line.split() for line in told.partition("Behind it:\n")[2].splitlines()]
    assert rows[0] == ["Pod", "Address", "Node", "State"]
    assert [row[-1] for row in rows[2:4]] == ["ready", "ready"]
    cli.ok("apply", "-f", "-", stdin=STUCK)
    cli.ok("wait", "--for=condition=PodScheduled=false", "pod/stuck")
    told = cli.ok("describe", "svc", "web").out
    assert "missing: No node takes it" in told
    why = cli.ok("why", "service/web").out
    assert why.startswith("2 of 3 pod(s) answer at it.\nPod stuck: No node takes it")
    cli.ok("delete", "pod", "stuck", "--now")
    assert cli.ok("why", "svc/web").out == "Nothing is wrong: all of its 2 pod(s) are ready.\n"


def test_expose_knows_its_flags(cli: Cli) -> None:
    cli.ok(
        "expose",
        "deployment/web",
        "--name=ported",
        "--type=NodePort",
        "--target-port=http",
        "--session-affinity=ClientIP",
    )
    shown = cli.ok("get", "svc", "ported", "-o", "json").json()["spec"]
    assert shown["type"] == "NodePort"
    assert shown["ports"][0]["targetPort"] == "http"
    assert 30000 <= shown["ports"][0]["nodePort"] <= 32767
    assert shown["sessionAffinityConfig"] == {"clientIP": {"timeoutSeconds": 10800}}
    cli.ok("expose", "service", "ported", "--name=again", "--port=81,82", "--protocol=UDP")
    ports = cli.ok("get", "svc", "again", "-o", "json").json()["spec"]["ports"]
    assert [(p["name"], p["port"], p["protocol"]) for p in ports] == [
        ("port-1", 81, "UDP"),
        ("port-2", 82, "UDP"),
    ]
    dry = cli.ok(
        "expose", "deployment/web", "--cluster-ip=None", "--dry-run=client", "-o", "yaml"
    ).out
    assert "clusterIP: None" in dry
    node = cli.ok("get", "nodes", "-o", "name").lines()[0]
    assert "cannot expose a Node" in cli.fails("expose", node, "--port=80")
    assert "not found" in cli.fails("expose", "deployment", "none", "--port=80")


def test_create_service(cli: Cli) -> None:
    assert (
        cli.ok("create", "service", "clusterip", "a", "--tcp=80:8080,81").out
        == "service/a created\n"
    )
    shown = cli.ok("get", "svc", "a", "-o", "json").json()["spec"]
    assert [(p["name"], p["port"], p["targetPort"]) for p in shown["ports"]] == [
        ("80-8080", 80, 8080),
        ("81", 81, 81),
    ]
    assert shown["selector"] == {"app": "a"}
    cli.ok("create", "service", "clusterip", "b", "--clusterip=None")
    cli.ok("create", "service", "nodeport", "c", "--tcp=80", "--node-port=30123")
    cli.ok("create", "service", "loadbalancer", "d", "--tcp=80")
    cli.ok("create", "svc", "externalname", "e", "--external-name=db.example.com")
    rows = {row[0]: row[1:4] for row in columns(cli.ok("get", "svc").out)}
    assert rows["b"] == ["ClusterIP", "None", "<none>"]
    assert rows["d"][2] == "<pending>"
    assert rows["e"] == ["ExternalName", "<none>", "db.example.com"]
    assert "80:30123/TCP" in cli.ok("get", "svc", "c").out
    again = cli.fails("create", "service", "nodeport", "f", "--tcp=80", "--node-port=30123")
    assert (
        "spec.ports[0].nodePort: Invalid value: 30123: provided port is already allocated" in again
    )
    assert "at least one tcp port specifier" in cli.fails("create", "service", "clusterip", "g")
    assert "invalid port" in cli.fails("create", "service", "clusterip", "g", "--tcp=0")


def test_create_ingress(cli: Cli) -> None:
    cli.ok(
        "create", "ingress", "shop", "--class=helmling", "--default-backend=web:80", "--annotation=a=b",
        "--rule=shop.example.com/cart*=cart:http,tls=cert", "--rule=shop.example.com/=web:80,tls=cert",
        "--rule=/status=web:80",
    )  # fmt: skip
    shown = cli.ok("get", "ing", "shop", "-o", "json").json()
    spec = shown["spec"]
    assert spec["tls"] == [{"hosts": ["shop.example.com"], "secretName": "cert"}]
    paths = [
        (rule.get("host", ""), [(p["path"], p["pathType"]) for p in rule["http"]["paths"]])
        for rule in spec["rules"]
    ]
    assert paths == [
        ("shop.example.com", [("/cart", "Prefix"), ("/", "Exact")]),
        ("", [("/status", "Exact")]),
    ]
    assert spec["rules"][0]["http"]["paths"][0]["backend"]["service"]["port"] == {"name": "http"}
    row = columns(cli.ok("get", "ing").out)[1]
    assert row[:3] == ["shop", "helmling", "shop.example.com"]
    told = cli.ok("describe", "ingress", "shop").out
    assert "cert terminates shop.example.com" in told
    assert "shop.example.com   /cart     Prefix   cart:http" in told
    assert "is invalid and should be in format" in cli.fails(
        "create", "ingress", "x", "--rule=nonsense"
    )
    assert "not enough information" in cli.fails("create", "ingress", "x")


def test_run_makes_a_service_of_its_pod(cli: Cli) -> None:
    said = cli.ok("run", "solo", "--image=helmling/hello:v1", "--port=80", "--expose").lines()
    assert said == ["service/solo created", "pod/solo created"]
    ready(cli, "solo", 1)
    cli.ok("delete", "pod", "solo", "--now")
    assert "--port must be set" in cli.fails("run", "solo", "--image=a", "--expose")


def test_an_ingress_gets_the_default_class(cli: Cli) -> None:
    marked = """apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: usual, annotations: {ingressclass.kubernetes.io/is-default-class: "true"}}
spec: {controller: example.com/proxy}
"""
    cli.ok("apply", "-f", "-", stdin=marked)
    cli.ok("create", "ingress", "shop", "--default-backend=web:80")
    cli.ok("delete", "ingressclass", "usual")
    assert cli.ok("get", "ing", "shop", "-o", "jsonpath={.spec.ingressClassName}").out == "usual"


def test_describe_of_the_other_kinds(cli: Cli) -> None:
    cli.ok("apply", "-f", "-", stdin=POLICY)
    told = cli.ok("describe", "netpol", "db").out
    assert "PodSelector:     app=db" in told
    assert "To Port: 5432/TCP" in told
    assert "From: IPBlock 10.0.0.0/8 except 10.1.0.0/16" in told
    assert "Not affecting egress traffic" in told
    cli.ok("expose", "deployment", "web", "--port=80")
    ready(cli, "web", 2)
    told = cli.ok("describe", "endpointslices", "-l", "kubernetes.io/service-name=web").out
    assert "AddressType:  IPv4" in told
    assert told.count("Ready:    true") == 2


def test_all_and_the_words_for_the_kinds(cli: Cli) -> None:
    assert "service/kubernetes" in cli.ok("get", "all").out
    known = cli.ok("api-resources").out
    for line in ("services", "endpointslices", "ingresses", "ingressclasses", "networkpolicies"):
        assert line in known
    assert "clusterIP" in cli.ok("explain", "service.spec").out
