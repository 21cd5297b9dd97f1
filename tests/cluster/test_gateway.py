"""The gateway over real TLS: who may come, every verb, watches, and what is said when something is wrong."""

import asyncio
import io
import json
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from api import keyfiles, kinds
from api.keyfiles import Pair
from api.tls import Identity
from control_plane.apiserver import refusals
from control_plane.gateway import listener
from control_plane.pki.authority import Wanted
from control_plane.store.open import open_store
from proto.v1.pod_pb2 import Pod
from tests import pki
from tests.apiserver import World, nothing_left, pod, serving, until

PODS = "/api/v1/namespaces/default/pods"
TABLE = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"}
PARTIAL = {"Accept": "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"}


@dataclass
class Http:
    """A client; `world` is what it talks to, from the inside."""

    world: World
    session: aiohttp.ClientSession
    address: str

    async def ask(self, method: str, path: str, body: Any = None, **how: Any) -> tuple[int, Any]:
        if isinstance(body, (dict, list)):
            how["headers"] = {"Content-Type": "application/json", **how.get("headers", {})}
        data = None if body is None else io.BytesIO(as_bytes(body))
        async with self.session.request(method, self.address + path, data=data, **how) as answer:
            self.headers = answer.headers
            text = await answer.text()
            return answer.status, json.loads(text) if "json" in answer.content_type else text

    @asynccontextmanager
    async def watching(
        self, path: str, **how: Any
    ) -> AsyncIterator[Callable[[], Coroutine[Any, Any, Any]]]:
        """A function that waits for the next event."""
        async with self.session.get(self.address + path, **how) as answer:
            assert answer.status == 200, await answer.text()

            async def event() -> Any:
                return json.loads(await answer.content.readline())

            yield event


def as_bytes(body: Any) -> bytes:
    return body.encode() if isinstance(body, str) else json.dumps(body).encode()


def tls(folder: Path, who: Identity | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=pki.authority().pem.decode())
    if who is not None:
        keyfiles.write_pair(folder / "client.pem", Pair(who.certificate, who.key))
        context.load_cert_chain(folder / "client.pem")
    return context


@asynccontextmanager
async def gateway(folder: Path, world: World, who: Identity | None) -> AsyncIterator[Http]:
    wanted = Wanted("kube-apiserver", hosts=pki.HOSTS, uses=("server",))
    keyfiles.write_pair(folder / "server.pem", Pair(*pki.authority().issue(wanted)))
    keyfiles.write(folder / "ca.crt", pki.authority().pem)
    shown = listener.Certificates(folder / "server.pem", folder / "ca.crt")
    assert world.server.offer is not None
    with listener.bind("127.0.0.1", 0) as listening:
        address = f"https://127.0.0.1:{listening.getsockname()[1]}"
        async with listener.serving(listening, shown.context, world.server.offer):
            connector = aiohttp.TCPConnector(ssl=tls(folder, who))
            async with aiohttp.ClientSession(connector=connector) as session:
                yield Http(world, session, address)


Scenario = Callable[[Http], Coroutine[Any, Any, None]]


def run(folder: Path, scenario: Scenario, who: Identity | None) -> None:
    async def whole() -> None:
        store = await open_store("memory://")
        try:
            async with (
                asyncio.timeout(120),
                serving(store, grpc=True) as world,
                gateway(folder, world, who) as http,
            ):
                await scenario(http)
        finally:
            await store.close()
        await nothing_left()

    asyncio.run(whole())


@pytest.fixture
def as_admin(tmp_path: Path) -> Callable[[Scenario], None]:
    return lambda scenario: run(tmp_path, scenario, pki.admin())


def a_pod(name: str = "web", **labels: str) -> dict[str, Any]:
    spec = {"containers": [{"name": "app", "image": "helmling/hello:v1"}]}
    meta = {"name": name, "labels": labels}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}


def test_strangers_learn_nothing_but_how_the_server_is(tmp_path: Path) -> None:
    async def scenario(http: Http) -> None:
        code, status = await http.ask("GET", PODS)
        assert (code, status["reason"], status["kind"]) == (401, "Unauthorized", "Status")
        code, _ = await http.ask("GET", PODS, headers={"Authorization": "Bearer nonsense"})
        assert code == 401
        assert await http.ask("GET", "/readyz") == (200, "ok")
        assert "[+]watch-cache ok" in (await http.ask("GET", "/livez?verbose"))[1]

    run(tmp_path, scenario, None)


def test_whoever_has_no_right_is_refused_by_the_same_rules(tmp_path: Path) -> None:
    async def scenario(http: Http) -> None:
        code, status = await http.ask("GET", PODS)
        assert (code, status["reason"]) == (403, "Forbidden")
        assert 'User "jane" cannot list resource "pods"' in status["message"]
        assert (await http.ask("GET", "/metrics"))[0] == 403
        assert (await http.ask("GET", "/version"))[0] == 200
        code, status = await http.ask("GET", PODS, headers={"Impersonate-User": "root"})
        assert code == 403

    run(tmp_path, scenario, pki.identity("jane"))


def test_the_life_of_an_object(as_admin: Callable[[Scenario], None]) -> None:
    """Create, get, update, patch in three ways, delete: each with its code and its answer."""

    async def scenario(http: Http) -> None:
        code, made = await http.ask("POST", PODS, a_pod())
        assert (code, made["kind"], made["spec"]["restartPolicy"]) == (201, "Pod", "Always")
        assert (await http.ask("POST", PODS, a_pod()))[1]["reason"] == "AlreadyExists"
        code, read = await http.ask("GET", f"{PODS}/web")
        assert (code, read) == (200, made)
        read["metadata"]["labels"] = {"a": "1"}
        code, updated = await http.ask("PUT", f"{PODS}/web", read)
        assert (code, updated["metadata"]["labels"]) == (200, {"a": "1"})
        code, status = await http.ask("PUT", f"{PODS}/web", read)
        assert (code, status["reason"]) == (409, "Conflict")
        for media, patch in (
            ("json-patch", [{"op": "add", "path": "/metadata/labels/b", "value": "2"}]),
            ("merge-patch", {"metadata": {"labels": {"c": "3"}}}),
            ("strategic-merge-patch", {"metadata": {"labels": {"a": None}}}),
        ):
            headers = {"Content-Type": f"application/{media}+json"}
            code, updated = await http.ask("PATCH", f"{PODS}/web", patch, headers=headers)
            assert code == 200
        assert updated["metadata"]["labels"] == {"b": "2", "c": "3"}
        headers = {"Content-Type": "application/apply-patch+yaml"}
        assert (await http.ask("PATCH", f"{PODS}/web", a_pod(), headers=headers))[0] == 415
        code, gone = await http.ask("DELETE", f"{PODS}/web", {"gracePeriodSeconds": 0})
        assert (code, gone["metadata"]["name"]) == (200, "web")
        code, status = await http.ask("GET", f"{PODS}/web")
        assert (code, status["message"]) == (404, 'pods "web" not found')

    as_admin(scenario)


def test_what_is_deleted_at_once_is_told_as_a_success(as_admin: Callable[[Scenario], None]) -> None:
    async def scenario(http: Http) -> None:
        where = "/api/v1/namespaces/default/configmaps"
        for name in ("a", "b"):
            assert (await http.ask("POST", where, {"metadata": {"name": name}}))[0] == 201
        code, status = await http.ask("DELETE", f"{where}/a")
        assert (code, status["status"], status["details"]["name"]) == (200, "Success", "a")
        code, gone = await http.ask("DELETE", where)
        assert [item["metadata"]["name"] for item in gone["items"]] == ["b"]

    as_admin(scenario)


def test_a_dry_run_changes_nothing(as_admin: Callable[[Scenario], None]) -> None:
    async def scenario(http: Http) -> None:
        assert (await http.ask("POST", f"{PODS}?dryRun=All", a_pod()))[0] == 201
        assert (await http.ask("GET", f"{PODS}/web"))[0] == 404
        assert (await http.ask("POST", f"{PODS}?dryRun=Some", a_pod()))[0] == 400

    as_admin(scenario)


def test_bodies_in_yaml_and_fields_that_are_unknown(as_admin: Callable[[Scenario], None]) -> None:
    async def scenario(http: Http) -> None:
        text = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {containers: [{name: a, image: x}], extra: 1}\n"
        how: Any = {"headers": {"Content-Type": "application/yaml"}}
        code, status = await http.ask("POST", f"{PODS}?fieldValidation=Strict", text, **how)
        assert code == 400
        assert 'strict decoding error: unknown field "spec.extra"' in status["message"]
        assert (await http.ask("POST", PODS, text, **how))[0] == 201
        assert 'unknown field \\"spec.extra\\"' in http.headers["Warning"]
        how = {"headers": {"Accept": "application/yaml"}}
        assert "kind: Pod\n" in (await http.ask("GET", f"{PODS}/web", **how))[1]
        how = {"headers": {"Accept": "application/vnd.kubernetes.protobuf"}}
        assert (await http.ask("GET", f"{PODS}/web", **how))[0] == 406
        how = {"headers": {"Content-Type": "application/json"}}
        code, status = await http.ask("POST", PODS, "x" * (listener.MAX_BODY + 1), **how)
        assert (code, status["reason"]) == (413, "RequestEntityTooLarge")

    as_admin(scenario)


def test_lists_come_in_pages_tables_and_parts(as_admin: Callable[[Scenario], None]) -> None:
    async def scenario(http: Http) -> None:
        for name in "abc":
            await http.world.client.create(pod(name, app=name))
        _, page = await http.ask("GET", f"{PODS}?limit=2")
        assert (page["kind"], page["metadata"]["remainingItemCount"]) == ("PodList", 1)
        token = page["metadata"]["continue"]
        _, rest = await http.ask("GET", f"{PODS}?limit=2&continue={token}")
        assert [item["metadata"]["name"] for item in page["items"] + rest["items"]] == list("abc")
        _, chosen = await http.ask("GET", f"{PODS}?labelSelector=app%3Db")
        assert len(chosen["items"]) == 1
        _, table = await http.ask("GET", PODS, headers=TABLE)
        assert (table["kind"], table["columnDefinitions"][0]["name"]) == ("Table", "Name")
        assert [row["cells"][0] for row in table["rows"]] == list("abc")
        assert table["rows"][0]["object"]["kind"] == "PartialObjectMetadata"
        _, table = await http.ask("GET", f"{PODS}?includeObject=Object", headers=TABLE)
        assert table["rows"][0]["object"]["kind"] == "Pod"
        _, parts = await http.ask("GET", PODS, headers=PARTIAL)
        assert parts["items"][0].keys() == {"kind", "apiVersion", "metadata"}

    as_admin(scenario)


def test_a_page_of_a_forgotten_moment_is_gone(as_admin: Callable[[Scenario], None]) -> None:
    async def scenario(http: Http) -> None:
        for name in "abc":
            await http.world.client.create(pod(name))
        _, page = await http.ask("GET", f"{PODS}?limit=1")
        await http.world.client.create(pod("d"))
        await http.world.store.compact(await http.world.store.revision())
        code, status = await http.ask(
            "GET", f"{PODS}?limit=1&continue={page['metadata']['continue']}"
        )
        assert (code, status["reason"]) == (410, "Expired")

    as_admin(scenario)


def test_a_watch_tells_what_happens(as_admin: Callable[[Scenario], None]) -> None:
    async def scenario(http: Http) -> None:
        await http.world.client.create(pod("a"))
        query = "watch=1&sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan"
        async with http.watching(f"{PODS}?{query}") as event:
            first, mark = await event(), await event()
            assert (first["type"], first["object"]["metadata"]["name"]) == ("ADDED", "a")
            assert mark["type"] == "BOOKMARK"
            assert mark["object"]["metadata"]["annotations"] == {
                "k8s.io/initial-events-end": "true"
            }
            await http.world.client.patch(Pod, "a", "default", {"metadata": {"labels": {"x": "y"}}})
            assert (await event())["type"] == "MODIFIED"
        version = first["object"]["metadata"]["resourceVersion"]
        async with http.watching(
            f"{PODS}?watch=1&resourceVersion={version}", headers=TABLE
        ) as event:
            seen = await event()
            assert (seen["type"], seen["object"]["kind"]) == ("MODIFIED", "Table")
            assert seen["object"]["columnDefinitions"]

    as_admin(scenario)


def test_a_watch_begins_before_anything_happens_and_ends_in_time(
    as_admin: Callable[[Scenario], None],
) -> None:
    async def scenario(http: Http) -> None:
        async with http.session.get(f"{http.address}{PODS}?watch=1&timeoutSeconds=1") as answer:
            assert answer.status == 200
            assert await answer.read() == b""

    as_admin(scenario)


def test_a_watch_that_fell_behind_is_told_in_the_stream(
    as_admin: Callable[[Scenario], None],
) -> None:
    async def scenario(http: Http) -> None:
        assert (await http.ask("GET", f"{PODS}?watch=1&resourceVersion=nonsense"))[0] == 400
        async with http.watching(f"{PODS}?watch=1") as event:
            http.world.server.cache.end_watches(refusals.too_old(1, 2))
            told = await event()
            assert (told["type"], told["object"]["code"], told["object"]["reason"]) == (
                "ERROR",
                410,
                "Expired",
            )

    as_admin(scenario)


def test_a_watcher_who_hangs_up_is_forgotten(as_admin: Callable[[Scenario], None]) -> None:
    async def scenario(http: Http) -> None:
        cache = http.world.server.cache.of(kinds.of(Pod))
        before = len(list(cache.watchers()))
        async with http.watching(f"{PODS}?watch=1"):
            await until(lambda: len(list(cache.watchers())) == before + 1)
        await until(lambda: len(list(cache.watchers())) == before)

    as_admin(scenario)


def test_what_pods_and_accounts_have_beside_themselves(
    as_admin: Callable[[Scenario], None],
) -> None:
    """Scale, eviction, binding and reviews: what is written there is of another kind."""

    async def scenario(http: Http) -> None:
        await http.ask("POST", PODS, a_pod())
        binding = {"metadata": {"name": "web"}, "target": {"kind": "Node", "name": "n"}}
        code, status = await http.ask("POST", f"{PODS}/web/binding", binding)
        assert (code, status["status"]) == (201, "Success")
        eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "web"}}
        code, status = await http.ask("POST", f"{PODS}/web/eviction", eviction)
        assert (code, status["status"]) == (201, "Success")
        review = {"spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}}}
        where = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        code, answer = await http.ask("POST", where, review)
        assert (code, answer["status"]["allowed"]) == (201, True)
        labels = {"matchLabels": {"a": "b"}}
        template = {"metadata": {"labels": {"a": "b"}}, "spec": a_pod()["spec"]}
        sets = "/apis/apps/v1/namespaces/default/replicasets"
        made = {
            "metadata": {"name": "rs"},
            "spec": {"replicas": 1, "selector": labels, "template": template},
        }
        assert (await http.ask("POST", sets, made))[0] == 201
        code, scale = await http.ask("GET", f"{sets}/rs/scale")
        assert (code, scale["kind"], scale["apiVersion"]) == (200, "Scale", "autoscaling/v1")
        scale["spec"]["replicas"] = 2
        assert (await http.ask("PUT", f"{sets}/rs/scale", scale))[1]["spec"]["replicas"] == 2
        assert (await http.ask("GET", f"{sets}/rs"))[1]["kind"] == "ReplicaSet"

    as_admin(scenario)


def test_places_that_are_about_the_server(as_admin: Callable[[Scenario], None]) -> None:
    async def scenario(http: Http) -> None:
        assert (await http.ask("GET", "/api"))[1]["versions"] == ["v1"]
        aggregated = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
        _, found = await http.ask("GET", "/apis", headers={"Accept": aggregated})
        assert found["kind"] == "APIGroupDiscoveryList"
        assert http.headers["Content-Type"] == aggregated
        assert (await http.ask("GET", "/apis/apps/v1"))[1]["kind"] == "APIResourceList"
        for path in ("/apis/nosuch", "/nowhere", "/openapi/v3/apis/nosuch/v1", "/readyz/nosuch"):
            code, status = await http.ask("GET", path)
            assert (code, status["message"]) == (
                404,
                "the server could not find the requested resource",
            )
        assert (await http.ask("POST", "/version"))[0] == 405
        assert "process_resident_memory_bytes" in (await http.ask("GET", "/metrics"))[1]

    as_admin(scenario)
