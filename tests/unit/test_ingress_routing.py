"""From Ingresses to HAProxy's maps: what a request finds there is what Kubernetes' words say (S#90)."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.ingresses import CONTROLLER, is_ours
from api.jsonform import from_json
from node_agent.network.ingress.certificates import own_certificate
from node_agent.network.ingress.endpoints import addresses
from node_agent.network.ingress.model import Address, Backend, Certificate, Routing
from node_agent.network.ingress.render import (
    MISSING,
    NOBODY,
    REDIRECT,
    Files,
    Setting,
    files,
    places,
)
from node_agent.network.ingress.routing import Found, redirects, routing
from proto.v1.network_pb2 import EndpointSlice, Ingress, IngressClass, Service

OWN = b"own"
NONE = Found(None, "SecretNotFound", "it does not exist")


def backend(service: str, port: int | str = 80) -> dict[str, Any]:
    wanted = {"number": port} if isinstance(port, int) else {"name": port}
    return {"service": {"name": service, "port": wanted}}


def ingress(name: str, *paths: tuple[str, str, str, str], age: int = 0, **more: Any) -> Ingress:
    """`paths`: host, path, type, service. `age`: seconds older than others."""
    rules = []
    for host, path, kind, service in paths:
        one = {"path": path, "pathType": kind, "backend": backend(service)}
        rules.append({"host": host, "http": {"paths": [one]}})
    annotations = more.pop("annotations", {})
    meta = {"name": name, "namespace": "shop", "annotations": annotations}
    made, wrong = from_json(Ingress, {"metadata": meta, "spec": {"rules": rules, **more}})
    assert not wrong
    made.metadata.creationTimestamp.seconds = 1_000_000 - age
    return made


def service(name: str, **spec: Any) -> Service:
    ports = [{"name": "http", "port": 80, "protocol": "TCP"}]
    shape = {"clusterIP": "10.96.0.7", "ports": ports, **spec}
    made, wrong = from_json(
        Service, {"metadata": {"name": name, "namespace": "shop"}, "spec": shape}
    )
    assert not wrong
    return made


SERVICES = {f"shop/{name}": service(name) for name in "abcdef"}


def routed(*ingresses: Ingress, found: Found = NONE) -> Routing:
    return routing(ingresses, SERVICES, lambda namespace, name: found)[0]


def rendered(table: Routing) -> Files:
    room = {each: places(0) for each in table.backends}
    return files(table, {}, room, OWN, Setting())


def maps(table: Routing) -> dict[str, dict[str, str]]:
    found = {}
    for name, contents in rendered(table).contents.items():
        if name.endswith(".map"):
            found[name] = dict(line.split(" ", 1) for line in contents.decode().splitlines())
    return found


def led(table: Routing, host: str, path: str, scheme: str = "https") -> str:
    """The service's name; as HAProxy finds it, step by step (render.py, `_steps`)."""
    known = maps(table)
    wildcard = "*." + host.partition(".")[2] if "." in host else host
    for where in (host, wildcard, ""):
        exact = known[f"{scheme}-exact.map"].get(f"{where}{path}")
        if exact is not None:
            return _short(exact)
        below = known[f"{scheme}-below.map"]
        fitting = [key for key in below if f"{where}{path}/".startswith(key)]
        if fitting:
            return _short(below[max(fitting, key=len)])
    return NOBODY


def _short(name: str) -> str:
    return name.split(":")[1] if ":" in name else name


# What Kubernetes' documentation says, in the table of its page on Ingress: rule, request, whether it matches.
# https://kubernetes.io/docs/concepts/services-networking/ingress/#examples
EXAMPLES = [
    ("Prefix", ["/"], "/any/path", "/"),
    ("Exact", ["/foo"], "/foo", "/foo"),
    ("Exact", ["/foo"], "/bar", None),
    ("Exact", ["/foo"], "/foo/", None),
    ("Exact", ["/foo/"], "/foo", None),
    ("Prefix", ["/foo"], "/foo", "/foo"),
    ("Prefix", ["/foo"], "/foo/", "/foo"),
    ("Prefix", ["/foo/"], "/foo", "/foo/"),
    ("Prefix", ["/foo/"], "/foo/", "/foo/"),
    ("Prefix", ["/aaa/bb"], "/aaa/bbb", None),
    ("Prefix", ["/aaa/bbb"], "/aaa/bbb", "/aaa/bbb"),
    ("Prefix", ["/aaa/bbb/"], "/aaa/bbb", "/aaa/bbb/"),
    ("Prefix", ["/aaa/bbb"], "/aaa/bbb/", "/aaa/bbb"),
    ("Prefix", ["/aaa/bbb"], "/aaa/bbb/ccc", "/aaa/bbb"),
    ("Prefix", ["/aaa/bbb"], "/aaa/bbbxyz", None),
    ("Prefix", ["/", "/aaa"], "/aaa/ccc", "/aaa"),
    ("Prefix", ["/", "/aaa", "/aaa/bbb"], "/aaa/bbb", "/aaa/bbb"),
    ("Prefix", ["/", "/aaa", "/aaa/bbb"], "/ccc", "/"),
    ("Prefix", ["/aaa"], "/ccc", None),
]


@pytest.mark.parametrize(("kind", "paths", "asked", "expected"), EXAMPLES)
def test_the_examples_of_kubernetes(
    kind: str, paths: list[str], asked: str, expected: str | None
) -> None:
    names = dict(zip(paths, "abc", strict=False))
    table = routed(ingress("in", *(("x.test", path, kind, name) for path, name in names.items())))
    assert led(table, "x.test", asked) == (names[expected] if expected else NOBODY)


def test_an_exact_path_goes_before_a_prefix() -> None:
    table = routed(
        ingress("in", ("x.test", "/foo", "Prefix", "a"), ("x.test", "/foo", "Exact", "b"))
    )
    assert [led(table, "x.test", path) for path in ("/foo", "/foo/", "/foo/x")] == ["b", "a", "a"]


HOST_EXAMPLES = [
    ("*.foo.com", "bar.foo.com", True),
    ("*.foo.com", "baz.bar.foo.com", False),
    ("*.foo.com", "foo.com", False),
    ("foo.com", "foo.com", True),
    ("foo.com", "bar.foo.com", False),
    ("", "anything", True),
    ("", "", True),
]


@pytest.mark.parametrize(("rule", "asked", "fits"), HOST_EXAMPLES)
def test_hosts(rule: str, asked: str, fits: bool) -> None:
    table = routed(ingress("in", (rule, "/", "Prefix", "a")))
    assert led(table, asked, "/") == ("a" if fits else NOBODY)


# The same in general, against a matcher that reads like the documentation.

HOSTS = ("x.test", "y.x.test", "*.x.test", "*.test", "")
ELEMENTS = st.sampled_from(("a", "b", "ab"))


@st.composite
def some_paths(draw: Any, slash: bool = True) -> str:
    path = "/" + "/".join(draw(st.lists(ELEMENTS, max_size=3)))
    return path + "/" if slash and path != "/" and draw(st.booleans()) else path


RULES = st.lists(
    st.tuples(
        st.sampled_from(HOSTS),
        some_paths(),
        st.sampled_from(("Exact", "Prefix")),
        st.sampled_from("abcdef"),
    ),
    max_size=8,
)
Rule = tuple[str, str, str, str]


def fits_host(rule: str, asked: str) -> bool:
    if rule.startswith("*."):
        first, dot, rest = asked.partition(".")
        return bool(first and dot) and rest == rule[2:]
    return rule in ("", asked)


def elements(path: str) -> list[str]:
    return [each for each in path.split("/") if each]


def fits_path(rule: Rule, asked: str) -> bool:
    _, path, kind, _ = rule
    if kind == "Exact":
        return path == asked
    wanted = elements(path)
    return elements(asked)[: len(wanted)] == wanted


def referenced(rules: Iterable[Rule], host: str, path: str) -> str:
    """Exact hosts, then wildcards, then every host; the exact path, then the longest prefix; then who came first."""
    fitting = [each for each in rules if fits_host(each[0], host) and fits_path(each, path)]

    def worth(rule: Rule) -> tuple[int, bool, int]:
        kind = 0 if rule[0] == "" else 1 if rule[0].startswith("*") else 2
        return kind, rule[2] == "Exact", len(elements(rule[1]))

    best = max(map(worth, fitting), default=None)
    return next((rule[3] for rule in fitting if worth(rule) == best), NOBODY)


@given(
    RULES,
    st.sampled_from(("x.test", "y.x.test", "z.x.test", "y.z.x.test", "test", "q.test", "")),
    some_paths(),
)
@settings(max_examples=500, deadline=None)
def test_the_maps_lead_where_the_words_of_kubernetes_lead(
    rules: list[Rule], host: str, path: str
) -> None:
    table = routed(ingress("in", *rules))
    assert led(table, host, path) == referenced(rules, host, path)


@given(st.lists(RULES, max_size=4), st.randoms())
@settings(max_examples=100, deadline=None)
def test_the_order_in_which_ingresses_are_seen_decides_nothing(
    lots: list[list[Rule]], random: Any
) -> None:
    ingresses = [
        ingress(f"in{number}", *rules, age=number % 2) for number, rules in enumerate(lots)
    ]
    shuffled = list(ingresses)
    random.shuffle(shuffled)
    assert rendered(routed(*shuffled)).contents == rendered(routed(*ingresses)).contents


# Several ingresses


def test_of_two_that_want_the_same_the_older_has_it() -> None:
    young = ingress("young", ("x.test", "/", "Prefix", "a"), ("x.test", "/more", "Prefix", "a"))
    old = ingress("old", ("x.test", "/", "Prefix", "b"), age=10)
    table = routed(young, old)
    assert (led(table, "x.test", "/"), led(table, "x.test", "/more")) == ("b", "a")


def test_a_default_backend_is_for_what_no_rule_wants() -> None:
    of_hosts = ingress("in", ("x.test", "/a", "Prefix", "a"), defaultBackend=backend("b"))
    of_all = ingress("all", defaultBackend=backend("c"))
    table = routed(of_hosts, of_all)
    asked = (("x.test", "/a"), ("x.test", "/b"), ("y.test", "/b"))
    assert [led(table, *each) for each in asked] == ["a", "b", "c"]
    rule = ingress("rule", ("x.test", "/", "Prefix", "d"))
    assert led(routed(of_hosts, of_all, rule), "x.test", "/b") == "d"


def test_what_cannot_be_served_says_why_and_harms_nothing_else() -> None:
    services = {
        **SERVICES,
        "shop/out": service("out", type="ExternalName", externalName="x.test", clusterIP=""),
        "shop/udp": service("udp", ports=[{"port": 80, "protocol": "UDP"}]),
    }
    made = ingress(
        "in", *((f"{name}.test", "/", "Prefix", name) for name in ("a", "gone", "out", "udp"))
    )
    table, problems = routing([made], services, lambda namespace, name: NONE)
    assert [led(table, f"{name}.test", "/") for name in ("a", "gone", "out", "udp")] == [
        "a",
        *[MISSING] * 3,
    ]
    assert [each.message.partition(";")[0] for each in problems] == [
        'the service "gone" does not exist',
        'the service "out" is of the type ExternalName, which is not led to from outside',
        'the service "udp" has no TCP port 80',
    ]


def test_a_path_that_no_request_has_does_not_get_into_the_files() -> None:
    made = ingress("in", ("x.test", "/a b\nevil.test/ shop:b:http", "ImplementationSpecific", "a"))
    table, problems = routing([made], SERVICES, lambda namespace, name: NONE)
    assert not any(maps(table).values())
    assert [each.reason for each in problems] == ["PathNotServed"]


# Certificates and HTTPS


def test_a_certificate_is_for_the_hosts_of_the_ingress_or_its_own() -> None:
    one = Certificate(b"pem", ("own.test",), datetime(2030, 1, 1, tzinfo=UTC), "d1")
    named = routed(ingress("in", tls=[{"hosts": ["X.test"], "secretName": "s"}]), found=Found(one))
    assert dict(named.certificates) == {"x.test": one}
    unnamed = routed(ingress("in", tls=[{"secretName": "s"}]), found=Found(one))
    assert dict(unnamed.certificates) == {"own.test": one}


REDIRECTS = [
    ([{"hosts": ["x.test"], "secretName": "s"}], {}, True),
    ([{"hosts": ["*.test"], "secretName": "s"}], {}, True),
    ([{"secretName": "s"}], {}, True),
    ([{"hosts": ["y.test"], "secretName": "s"}], {}, False),
    ([], {}, False),
    ([{"hosts": ["x.test"]}], {"nginx.ingress.kubernetes.io/ssl-redirect": "false"}, False),
    ([{"hosts": ["x.test"]}], {"ingress.helmling.dev/ssl-redirect": "False"}, False),
    ([{"hosts": ["x.test"]}], {"ingress.helmling.dev/ssl-redirect": "true"}, True),
]


@pytest.mark.parametrize(("tls", "annotations", "sent"), REDIRECTS)
def test_who_is_sent_to_https(tls: list[Any], annotations: dict[str, str], sent: bool) -> None:
    made = ingress("in", ("x.test", "/", "Prefix", "a"), tls=tls, annotations=annotations)
    assert redirects(made, "x.test") is sent
    assert led(routed(made), "x.test", "/", "http") == (REDIRECT if sent else "a")
    assert led(routed(made), "x.test", "/", "https") == "a"


def test_the_proxys_own_certificate_is_good_for_years() -> None:
    now = datetime.now(UTC)
    assert (own_certificate(now).ends - now).days > 3000


# Which pods


def slices(*endpoints: tuple[str, dict[str, bool]], port: str = "http") -> list[EndpointSlice]:
    shape = {
        "addressType": "IPv4",
        "ports": [{"name": port, "port": 8080, "protocol": "TCP"}],
        "endpoints": [{"addresses": [ip], "conditions": said} for ip, said in endpoints],
    }
    made, wrong = from_json(EndpointSlice, shape)
    assert not wrong
    return [made]


READY, LEAVING = {"ready": True}, {"ready": False, "serving": True, "terminating": True}
STARTING = {"ready": False, "serving": False}
POD_STATES: list[tuple[list[tuple[str, dict[str, bool]]], set[str]]] = [
    ([("10.0.0.1", READY), ("10.0.0.2", {}), ("10.0.0.3", STARTING)], {"10.0.0.1", "10.0.0.2"}),
    ([("10.0.0.1", READY), ("10.0.0.2", LEAVING)], {"10.0.0.1"}),
    ([("10.0.0.1", STARTING), ("10.0.0.2", LEAVING)], {"10.0.0.2"}),
    ([("10.0.0.1", STARTING)], set()),
]


@pytest.mark.parametrize(("endpoints", "expected"), POD_STATES)
def test_requests_go_to_pods_that_are_ready_or_else_to_those_that_still_answer(
    endpoints: list[tuple[str, dict[str, bool]]], expected: set[str]
) -> None:
    found = addresses(Backend("shop", "a", "http"), slices(*endpoints))
    assert found == {Address(ip, 8080) for ip in expected}
    assert not addresses(Backend("shop", "a", "other"), slices(*endpoints))


# Whose it is


def a_class(
    name: str, controller: str = CONTROLLER, *, default: bool = False, born: int = 0
) -> IngressClass:
    made = IngressClass()
    made.metadata.name, made.spec.controller = name, controller
    made.metadata.creationTimestamp.seconds = born
    if default:
        made.metadata.annotations["ingressclass.kubernetes.io/is-default-class"] = "true"
    return made


OTHER = "nginx.org/ingress-controller"
CLASSES: list[tuple[str, list[IngressClass], bool]] = [
    ("", [], True),
    ("", [a_class("ours")], True),
    ("", [a_class("nginx", OTHER)], False),
    ("", [a_class("ours", default=True), a_class("nginx", OTHER)], True),
    ("", [a_class("ours", default=True), a_class("nginx", OTHER, default=True, born=9)], False),
    ("ours", [a_class("ours")], True),
    ("ours", [], False),
    ("helmling", [], True),
    ("helmling", [a_class("helmling", OTHER)], False),
    ("nginx", [a_class("nginx", OTHER)], False),
]


@pytest.mark.parametrize(("name", "classes", "ours"), CLASSES)
def test_which_ingresses_are_ours(name: str, classes: list[IngressClass], ours: bool) -> None:
    field = ingress("in", **({"ingressClassName": name} if name else {}))
    annotation = ingress("in", annotations={"kubernetes.io/ingress.class": name} if name else {})
    assert (is_ours(field, classes), is_ours(annotation, classes)) == (ours, ours)
