"""The local images, built and run on a real Docker Engine."""

import uuid
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import docker
import pytest
from docker.models.containers import Container

from node_agent.images import LABEL, RECIPES, build, ensure, ensure_pause, find
from node_agent.images.recipes import BOX, PAUSE, hello
from tests.waiting import DEADLINE, eventually

pytestmark = pytest.mark.docker


@pytest.fixture(scope="module")
def engine() -> Iterator[docker.DockerClient]:
    client = docker.from_env(version="auto")
    for recipe in RECIPES:
        ensure(client, recipe)
    yield client
    client.close()


@pytest.fixture
def start(engine: docker.DockerClient) -> Iterator[Callable[..., Container]]:
    """Starts containers without a network, and removes them when the test is over."""
    started: list[Container] = []

    def run(image: str, command: list[str] | None = None, **options: Any) -> Container:
        options.setdefault("network_mode", "none")
        container = engine.containers.create(
            image, command, name=f"helmling-test-{uuid.uuid4().hex[:8]}", **options
        )
        started.append(container)
        container.start()
        return container

    yield run
    for container in reversed(started):
        container.remove(force=True, v=True)


def shell(container: Container, script: str) -> str:
    code, output = container.exec_run(["sh", "-c", script])
    assert isinstance(output, bytes)
    assert code == 0, output.decode()
    return output.decode()


def serving(container: Container) -> bool:
    return container.exec_run(["wget", "-qO-", "http://localhost/healthz"]).exit_code == 0


def listens_for_signals(container: Container) -> bool:
    """Before that, the kernel drops what is sent to the first process of a namespace. (It blocks them, to read them.)"""
    container.reload()
    status = Path(f"/proc/{container.attrs['State']['Pid']}/status").read_text()
    fields = dict(line.split(":\t", 1) for line in status.splitlines())
    return fields["Name"] == "pause" and int(fields["SigBlk"], 16) != 0


def stopped(container: Container) -> int:
    """Ask it to stop as an agent would; its exit code."""
    container.stop(timeout=DEADLINE)
    return int(container.wait(timeout=DEADLINE)["StatusCode"])


def test_building_again_is_a_no_op(engine: docker.DockerClient) -> None:
    """`ensure` does not even look at packages while the engine has the recipe's image."""
    before = [ensure(engine, recipe) for recipe in RECIPES]
    after = [ensure(engine, recipe) for recipe in RECIPES]
    assert [image.id for image in before] == [image.id for image in after]
    assert [image.labels[LABEL] for image in after] == [recipe.digest() for recipe in RECIPES]


def test_the_same_packages_give_the_same_image(engine: docker.DockerClient) -> None:
    assert build(engine, BOX).id == build(engine, BOX).id


def test_an_image_that_fell_behind_its_recipe_is_replaced(engine: docker.DockerClient) -> None:
    """And the old one does not stay behind without a name."""
    current = hello("test-fell-behind")
    ensure(engine, BOX).tag(current.image)
    image = ensure(engine, current)
    try:
        assert image.labels[LABEL] == current.digest()
        assert find(engine, BOX) is not None
        assert engine.images.list(filters={"dangling": True, "label": LABEL}) == []
    finally:
        engine.images.remove(current.image)


def test_pause_ends_at_once_and_cleanly_on_sigterm(
    engine: docker.DockerClient, start: Callable[..., Container]
) -> None:
    ensure_pause(engine)
    sandbox = start(PAUSE.image)
    eventually(lambda: listens_for_signals(sandbox))
    assert stopped(sandbox) == 0


def test_pause_reaps_the_orphans_of_its_pid_namespace(start: Callable[..., Container]) -> None:
    """With a shared PID namespace every orphan of the pod becomes a child of the sandbox."""
    sandbox = start(PAUSE.image)
    box = start(BOX.image, ["sleep", "3600"], pid_mode=f"container:{sandbox.id}")
    assert "/pause -P" in shell(box, "ps -o pid,args | grep '^ *1 '")
    shell(box, "(sleep 0.1 &)")
    # A dead process that nobody reaps would stay in the list; the other one is the box's own.
    eventually(lambda: shell(box, "ps -o comm").split().count("sleep") == 1)


def test_hello_names_its_pod_and_version(start: Callable[..., Container]) -> None:
    """The pod's name is the host name of the namespace that it joins."""
    sandbox = start(PAUSE.image, hostname="web-1")
    for version in ("v1", "v2"):
        web = start(f"helmling/hello:{version}", network_mode=f"container:{sandbox.id}")
        eventually(partial(serving, web))
        get = "wget -qO- http://localhost"
        assert shell(web, f"{get}/") == f"hello from web-1, version {version}\n"
        assert shell(web, f"{get}/version") == f"{version}\n"
        assert shell(web, f"{get}/healthz") == "ok\n"
        assert stopped(web) == 0


def test_hello_logs_requests_but_not_probes(start: Callable[..., Container]) -> None:
    web = start("helmling/hello:v1")
    eventually(lambda: serving(web))
    shell(web, "wget -qO- http://localhost/")
    eventually(lambda: b'"GET / HTTP/1.1" 200' in web.logs(stderr=False))
    assert b"healthz" not in web.logs()


def test_hello_finishes_the_request_in_flight(start: Callable[..., Container]) -> None:
    """SIGTERM in the middle of a four-second answer: all of it arrives, and the exit code is 0."""
    sandbox = start(PAUSE.image)
    web = start("helmling/hello:v1", network_mode=f"container:{sandbox.id}")
    eventually(lambda: serving(web))
    caller = start(
        BOX.image,
        ["sh", "-c", "wget -O /tmp/answer http://localhost/slow; wc -c </tmp/answer"],
        network_mode=f"container:{sandbox.id}",
    )
    eventually(lambda: caller.exec_run(["test", "-s", "/tmp/answer"]).exit_code == 0)
    assert stopped(web) == 0
    assert caller.wait(timeout=DEADLINE)["StatusCode"] == 0
    assert caller.logs(stderr=False).strip() == b"5120"


def test_hello_runs_as_any_user_on_a_root_file_system_that_is_read_only(
    start: Callable[..., Container],
) -> None:
    web = start(
        "helmling/hello:v1",
        user="12345:12345",
        read_only=True,
        tmpfs={"/tmp": "mode=1777"},
        cap_drop=["ALL"],
    )
    eventually(lambda: serving(web))
    assert shell(web, "id -u") == "12345\n"
    assert stopped(web) == 0


@pytest.mark.parametrize("image", ["helmling/box:1", "helmling/hello:v1"])
def test_names_and_users_are_looked_up(image: str, start: Callable[..., Container]) -> None:
    """getaddrinfo is what crashes in a static busybox."""
    box = start(image, ["sleep", "3600"], extra_hosts={"db.example": "192.0.2.7"})
    assert "127.0.0.1" in shell(box, "getent ahosts localhost")
    assert "192.0.2.7" in shell(box, "getent hosts db.example")
    assert shell(box, "getent passwd user").startswith("user:x:1000:1000:")
    assert shell(box, "ping -c1 -W1 localhost >/dev/null && echo up") == "up\n"


def test_a_toolbox_has_tools(start: Callable[..., Container]) -> None:
    box = start(BOX.image, ["sleep", "3600"])
    for tool in ("cat", "nc", "nslookup", "ps", "sed", "sh", "sleep", "tar", "vi", "wget"):
        assert shell(box, f"command -v {tool}") == f"/usr/bin/{tool}\n"
    assert shell(box, "stat -c %a /tmp") == "1777\n"


def test_images_are_small(engine: docker.DockerClient) -> None:
    limits = {PAUSE.image: 1e6, BOX.image: 5e6}
    for recipe in RECIPES:
        assert ensure(engine, recipe).attrs["Size"] < limits.get(recipe.image, 15e6)
