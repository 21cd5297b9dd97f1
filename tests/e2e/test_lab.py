"""Several machines: pods reach pods wherever they are, and what fails comes back, in a real lab."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cli.lab import record
from tests.lab import TestLab, running
from tests.waiting import eventually

pytestmark = [pytest.mark.root, pytest.mark.docker]
SLEEP = ("sh", "-c", "trap exit TERM; sleep 10000 & wait $!")


def routes(lab: TestLab, node: str) -> dict[str, str]:
    """Ours on this machine: range → next hop."""
    shown = json.loads(lab.inside(node, "ip", "-json", "route", "show", "proto", "104") or "[]")
    return {each["dst"]: each["gateway"] for each in shown}


def address_of(lab: TestLab, node: str) -> str:
    return str(lab.plan.machine(node).address.ip)


def renewals(lab: TestLab) -> dict[str, str]:
    """When each node has said last that it lives."""
    leases = lab.get("leases", "-n", "kube-node-lease")["items"]
    return {lease["metadata"]["name"]: lease["spec"]["renewTime"] for lease in leases}


def cidr_of(lab: TestLab, node: str) -> str:
    cidr: str = lab.nodes()[node]["spec"]["podCIDR"]
    return cidr


def wanted(lab: TestLab, node: str) -> dict[str, str]:
    """The routes that this machine should have."""
    return {
        other["spec"]["podCIDR"]: address_of(lab, name)
        for name, other in lab.nodes().items()
        if name != node
    }


def a_pair(lab: TestLab) -> tuple[str, str]:
    """A pod on n1 that can ask, and the address of one on n2 that answers."""
    asking = lab.pod_on("n1", "asking", image="helmling/box:1", command=SLEEP)
    answering = lab.pod_on("n2", "answering")
    eventually(lambda: lab.reaches(asking.name, answering.ip))
    return asking.name, answering.ip


def test_each_node_has_a_range_of_its_own_and_routes_to_the_others(lab: TestLab) -> None:
    ranges = {name: node["spec"]["podCIDR"] for name, node in lab.nodes().items()}
    assert sorted(ranges) == ["n1", "n2", "n3"]
    assert sorted(ranges.values()) == ["10.244.0.0/24", "10.244.1.0/24", "10.244.2.0/24"]
    for node in ranges:
        eventually(lambda node=node: routes(lab, node) == wanted(lab, node))  # type: ignore[misc]


def test_pods_reach_pods_on_other_nodes_under_their_own_addresses(lab: TestLab) -> None:
    lab.ok("create", "deployment", "web", "--image=helmling/hello:v1", "--replicas=3")
    lab.ok("rollout", "status", "deploy/web", "--timeout=120s")
    asking = lab.pod_on("n1", "asking", image="helmling/box:1", command=SLEEP)
    for pod in lab.pods("web"):
        assert lab.reaches("asking", pod.ip), pod
        assert lab.ok("logs", pod.name).out.startswith(f"{asking.ip} - - "), "as the other sees it"
    for node in ("n1", "n2", "n3"):
        assert "hello from" in lab.wget(node, f"http://{lab.pods('web')[0].ip}/")


def test_a_node_that_dies_is_replaced_and_comes_back_with_its_range(lab: TestLab) -> None:
    lab.ok("create", "deployment", "web", "--image=helmling/hello:v1", "--replicas=3")
    lab.ok("rollout", "status", "deploy/web", "--timeout=120s")
    before = cidr_of(lab, "n2")
    lab.power("kill", "n2")
    assert "off" in lab.power("status").out
    eventually(lambda: lab.ready() == {"n1", "n3"})

    def replaced() -> bool:
        there = [pod for pod in lab.pods("web") if pod.ready and not pod.ending]
        return len(there) == 3 and all(pod.node != "n2" for pod in there)

    eventually(replaced)
    lab.power("start", "n2")
    eventually(lambda: lab.ready() == {"n1", "n2", "n3"})
    assert cidr_of(lab, "n2") == before
    back = lab.pod_on("n2", "back")
    lab.pod_on("n1", "asking", image="helmling/box:1", command=SLEEP)
    eventually(lambda: lab.reaches("asking", back.ip))


def test_a_node_whose_cable_is_out_is_not_ready_until_it_is_in_again(lab: TestLab) -> None:
    asking, ip = a_pair(lab)
    lab.power("partition", "n2")
    assert not lab.reaches(asking, ip)
    assert "helmling/hello:v1" in lab.inside("n2", "docker", "ps"), "what runs there goes on"
    eventually(lambda: lab.ready() == {"n1", "n3"})
    lab.power("heal")
    eventually(lambda: lab.ready() == {"n1", "n2", "n3"})
    eventually(lambda: routes(lab, "n2") == wanted(lab, "n2"))
    assert lab.pod_on("n2", "after").ready


@pytest.mark.parametrize(
    "damage",
    [
        "ip route flush proto 104",
        "nft flush ruleset",
        "iptables -F DOCKER-USER; iptables -P FORWARD DROP",
        "sysctl -qw net.ipv4.ip_forward=0; ip route flush proto 104",
        "ip link set eth0 down; ip link set eth0 up; ip route replace default via 10.77.$SLOT.254",
    ],
)
def test_what_somebody_breaks_on_a_node_is_mended(lab: TestLab, damage: str) -> None:
    asking, ip = a_pair(lab)
    lab.inside("n1", "sh", "-c", damage.replace("$SLOT", str(lab.plan.slot)))
    eventually(lambda: routes(lab, "n1") == wanted(lab, "n1"))
    eventually(lambda: lab.reaches(asking, ip))
    lab.inside("n1", "iptables", "-P", "FORWARD", "ACCEPT")


def test_routes_of_others_are_left_alone(lab: TestLab) -> None:
    foreign = "10.244.77.0/24"
    lab.inside(
        "n1",
        "ip",
        "route",
        "add",
        foreign,
        "via",
        address_of(lab, "n3"),
        "proto",
        "104",
        "metric",
        "7",
    )
    lab.inside("n1", "ip", "route", "flush", "proto", "104", "to", cidr_of(lab, "n2"))
    eventually(lambda: routes(lab, "n1") == wanted(lab, "n1") | {foreign: address_of(lab, "n3")})
    lab.inside("n1", "ip", "route", "delete", foreign, "metric", "7")


def test_dockers_own_containers_are_not_disturbed_nor_do_they_disturb(lab: TestLab) -> None:
    asking, ip = a_pair(lab)
    docker = ("docker", "run", "-d", "--rm", "--name=own", "-p", "8080:80", "helmling/hello:v1")
    lab.inside("n2", *docker)
    try:
        assert "hello from" in lab.wget("n1", f"http://{address_of(lab, 'n2')}:8080/")
        assert lab.reaches(asking, address_of(lab, "n2"), 8080), (
            "a pod reaches a port that Docker publishes"
        )
        assert lab.reaches(asking, ip)
    finally:
        lab.inside("n2", "docker", "kill", "own")


SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
"""


def test_a_service_leads_from_every_machine_to_pods_on_all(lab: TestLab) -> None:
    lab.ok("create", "deployment", "web", "--image=helmling/hello:v1", "--replicas=3")
    lab.apply(SERVICE)
    lab.ok("rollout", "status", "deploy/web", "--timeout=120s")
    address = lab.get("service", "web")["spec"]["clusterIP"]
    pods = {pod.name for pod in lab.pods("web")}
    for node in ("n1", "n2", "n3"):
        seen: set[str] = set()

        def all_answer(node: str = node, seen: set[str] = seen) -> bool:
            ask = f"for i in $(seq 20); do curl -s -m 3 http://{address}/; done; true"
            lines = lab.inside(node, "sh", "-c", ask).splitlines()
            seen.update(
                line.split()[2].rstrip(",") for line in lines if line.startswith("hello from")
            )
            return seen == pods

        eventually(all_answer)
    told = (lab.folder / "n3" / "agent.log").read_text()
    assert "table_changed_by_others" not in told, (
        "it knows its own changes, in a process namespace, too"
    )
    lab.ok("delete", "service", "web")


def test_pods_go_on_without_agent_and_without_control_plane(lab: TestLab) -> None:
    _, ip = a_pair(lab)
    script = f"for i in $(seq 100); do printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 3 {ip} 80 | grep -c '200 OK'; done"
    inside = lab.inside(
        "n1", "docker", "ps", "-q", "--filter", "label=helmling.dev/container=app"
    ).split()
    assert len(inside) == 1
    lab.power("kill", "server")
    for node in ("n1", "n2"):
        lab.inside(node, "sh", "-c", "kill $(pgrep -f 'cli.main [a]gent')")
    answers = lab.inside("n1", "docker", "exec", inside[0], "sh", "-c", script)
    assert answers.split() == ["1"] * 100
    lab.power("start", "server")
    since = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    eventually(lambda: all(moment > since for moment in renewals(lab).values()))
    eventually(lambda: lab.ready() == {"n1", "n2", "n3"})
    after = lab.pod_on(
        "n2", "after"
    )  # the two may have been given up, if their agents took long to come back
    eventually(lambda: lab.succeeds("n1", "curl", "-sf", "-m", "5", f"http://{after.ip}/"))


def test_a_node_that_is_deleted_takes_its_routes_along(lab: TestLab) -> None:
    gone = cidr_of(lab, "n3")
    lab.power("kill", "n3")
    lab.ok("delete", "node", "n3")
    eventually(lambda: gone not in routes(lab, "n1"))
    lab.power("start", "--wipe", "n3")
    eventually(lambda: routes(lab, "n1") == wanted(lab, "n1"))
    assert lab.pod_on("n3", "new").ready


def test_a_node_that_is_deleted_while_it_lives_comes_again_with_its_range(lab: TestLab) -> None:
    asking, ip = a_pair(lab)
    before = lab.nodes()["n2"]["metadata"]["uid"], cidr_of(lab, "n2")
    lab.ok("delete", "node", "n2")

    def again() -> bool:
        there = lab.nodes()
        return "n2" in lab.ready() and there["n2"]["metadata"]["uid"] != before[0]

    eventually(again)
    assert cidr_of(lab, "n2") == before[1]
    eventually(lambda: lab.reaches(asking, ip))


def test_what_is_asked_for_wrongly_is_explained(lab: TestLab, tmp_path: Path) -> None:
    cli, mine = lab.cli, f"--name={lab.name}"
    for words, told in (
        (("kill", "n22", mine), f'the lab "{lab.name}" has no node "n22", did you mean "n2"?'),
        (("kill", mine), "which node? The lab has n1, n2, n3"),
        (("status", "--name=nowhere"), 'there is no lab "nowhere"'),
        (("status", f"--name={lab.name}x"), f'did you mean "{lab.name}"?'),
        (("up", "--name=No!"), "cannot be a lab's name"),
        (("up", "--nodes=0", "--name=zero"), "--nodes takes a number from 1 to 99, not 0"),
        (("up", "--nodes=2", mine), "it can be given more nodes, but nothing else can change"),
        (("up", f"--data-dir={tmp_path}", mine), f"has its folder at {lab.folder}"),
        (("exec", "n1", mine), "expected: helmling lab exec NODE -- COMMAND"),
        (("exec", "n1", mine, "--wipe", "--", "true"), "unknown flag: --wipe"),
        (("load", "no/such:image", mine), "no such image to copy"),
    ):
        assert told in cli.fails("lab", *words), words
    lab.power("kill", "n3")
    assert "n3 has no power: helmling lab start n3" in cli.fails("lab", "partition", "n3", mine)
    assert "n3 has no power" in cli.fails("lab", "exec", "n3", mine, "--", "true")


def test_to_end_a_lab_that_is_not_there_is_no_failure_and_leaves_nothing(lab: TestLab) -> None:
    assert lab.cli.ok("lab", "down", "--name=nowhere").out == 'There is no lab "nowhere".\n'
    assert not record.lock_of("nowhere").exists()


def test_up_again_makes_what_is_missing_and_exec_tells_how_it_ended(lab: TestLab) -> None:
    born = lab.inside("n1", "cat", "/proc/1/stat")
    lab.power("kill", "n3")
    lab.power("up")
    assert lab.inside("n1", "cat", "/proc/1/stat").split()[21] == born.split()[21], (
        "n1 was left alone"
    )
    eventually(lambda: lab.ready() == {"n1", "n2", "n3"})
    assert (
        lab.cli.run("lab", "exec", f"--name={lab.name}", "n3", "--", "sh", "-c", "exit 7").code == 7
    )
    assert lab.inside("n3", "hostname").strip() == "n3"
    assert lab.power("kubeconfig").out.strip() == str(lab.folder / "server" / "admin.conf")
    assert lab.name in lab.cli.ok("lab", "list").out


# Behind a router


@pytest.fixture(scope="module")
def far(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestLab]:
    """Two nodes on two segments: the router between them knows nothing of pods."""
    with running(tmp_path_factory.mktemp("far") / "lab", "--nodes=2", "--segments=2") as made:
        yield made


def device(lab: TestLab, node: str) -> str:
    shown = json.loads(lab.inside(node, "ip", "-json", "link", "show", "type", "vxlan") or "[]")
    return shown[0]["ifname"] if shown else ""


def test_behind_a_router_pods_reach_each_other_through_a_tunnel(far: TestLab) -> None:
    asking = far.pod_on("n1", "asking", image="helmling/box:1", command=SLEEP)
    answering = far.pod_on("n2", "answering")
    eventually(lambda: far.reaches("asking", answering.ip))
    assert far.ok("logs", "answering").out.startswith(f"{asking.ip} - - ")
    assert set(routes(far, "n1").values()) == {cidr_of(far, "n2").removesuffix("/24")}
    assert not far.succeeds("n1", "ping", "-c1", "-W1", "-r", address_of(far, "n2")), (
        "no neighbours"
    )
    mtu = far.ok("exec", "asking", "--", "cat", "/sys/class/net/eth0/mtu").out.strip()
    assert mtu == "1450"
    size = ("ping", "-c1", "-W3", "-s", "1422")  # 1450 with the headers
    assert far.run("exec", "asking", "--", *size, answering.ip).code == 0
    for node in ("n1", "n2"):
        assert "hello from" in far.wget(node, f"http://{answering.ip}/")


@pytest.mark.parametrize(
    "damage",
    [
        "ip link delete $DEVICE",
        "bridge fdb del $(bridge fdb show dev $DEVICE | cut -d' ' -f1) dev $DEVICE; ip route flush proto 104",
        "ip neigh flush dev $DEVICE nud permanent; ip route flush proto 104",
        "ip link set $DEVICE down",
    ],
)
def test_a_tunnel_that_somebody_breaks_is_mended(far: TestLab, damage: str) -> None:
    far.pod_on("n1", "asking", image="helmling/box:1", command=SLEEP)
    answering = far.pod_on("n2", "answering")
    eventually(lambda: far.reaches("asking", answering.ip))
    far.inside("n1", "sh", "-c", damage.replace("$DEVICE", device(far, "n1")))
    eventually(lambda: far.reaches("asking", answering.ip))


def test_the_tunnel_goes_with_the_last_node_at_its_other_end(far: TestLab) -> None:
    assert device(far, "n1")
    far.power("kill", "n2")
    far.ok("delete", "node", "n2")
    eventually(lambda: not device(far, "n1"))
    far.power("start", "--wipe", "n2")
    eventually(lambda: bool(device(far, "n1")))
