"""What ConfigMaps and Secrets become in a container: variables, files, logins (S#44, S#48, S#92, S#94)."""

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest

from api.configrefs import Content, Reference, of_pod
from api.jsonform import from_json
from node_agent.pods import keyring
from node_agent.pods.env import Surroundings, environment, is_variable, skipped
from node_agent.pods.facts import ConfigError, NodeFacts
from node_agent.runtime.model import ContainerSpec, RegistryLogin
from node_agent.volumes import atomic
from node_agent.volumes.atomic import File
from node_agent.volumes.contents import Material, files, is_secret
from proto.v1.config_pb2 import ConfigMap, Secret
from proto.v1.pod_pb2 import Pod
from tests.unit.test_agent_plan import shell

NODE = NodeFacts("n1")
CANARY = "c4n4ry"
CONTENTS: dict[Reference, Content | None] = {
    Reference("ConfigMap", "default", "settings"): ConfigMap(
        data={"color": "blue", "1st": "x", "a.b": "dotted", "NAME": "from the map"},
        binaryData={"icon": b"\xff\0"},
    ),
    Reference("Secret", "default", "keys"): Secret(
        data={"password": CANARY.encode(), "binary": b"\xff\xfe", "NAME": b"from the secret"}
    ),
    Reference("Secret", "default", "text"): Secret(data={"password": CANARY.encode(), "0": b""}),
    Reference("Secret", "default", "nul"): Secret(data={"password": CANARY.encode() + b"\0"}),
    Reference("ConfigMap", "default", "none"): None,
}
MATERIAL = Material(NODE, CONTENTS, {"v/token": "t0k3n"})


def made(container: dict[str, Any] | None = None, **spec: Any) -> Pod:
    document = {
        "metadata": {"name": "web", "namespace": "default", "uid": "u"},
        "spec": {"containers": [{"name": "app", "image": "i:1", **(container or {})}], **spec},
    }
    pod, causes = from_json(Pod, document)
    assert causes == []
    return pod


def env(**container: Any) -> dict[str, str]:
    pod = made(container)
    return environment(pod.spec.containers[0], pod, Surroundings(NODE, "", CONTENTS))


def key(kind: str, name: str, key: str, **fields: Any) -> dict[str, Any]:
    return {"valueFrom": {f"{kind}KeyRef": {"name": name, "key": key, **fields}}}


# Variables


def test_values_of_single_keys() -> None:
    """S#44: and a later variable may use them."""
    assert env(
        env=[
            {"name": "COLOR", **key("configMap", "settings", "color")},
            {"name": "PASSWORD", **key("secret", "keys", "password")},
            {"name": "URL", "value": "db://$(PASSWORD)@$(COLOR)"},
        ]
    ) == {"COLOR": "blue", "PASSWORD": CANARY, "URL": f"db://{CANARY}@blue"}


@pytest.mark.parametrize(
    ("variable", "told"),
    [
        (key("configMap", "none", "k"), 'configmap "none" not found'),
        (key("secret", "never", "k"), 'secret "never" not found'),
        (
            key("configMap", "settings", "k"),
            "couldn't find key k in ConfigMap default/settings",
        ),
        # Kubernetes looks in `data` only.
        (
            key("configMap", "settings", "icon"),
            "couldn't find key icon in ConfigMap default/settings",
        ),
        (key("secret", "keys", "k"), "couldn't find key k in Secret default/keys"),
    ],
)
def test_what_is_missing_is_named(variable: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError) as error:
        env(env=[{"name": "X", **variable}])
    assert str(error.value) == told


@pytest.mark.parametrize(
    "variable",
    [key("configMap", "none", "k", optional=True), key("secret", "keys", "k", optional=True)],
)
def test_what_is_optional_is_left_out(variable: dict[str, Any]) -> None:
    assert env(env=[{"name": "X", **variable}, {"name": "Y", "value": "y"}]) == {"Y": "y"}


@pytest.mark.parametrize(("name", "key_name"), [("keys", "binary"), ("nul", "password")])
def test_bytes_are_no_variable_and_are_not_shown(name: str, key_name: str) -> None:
    with pytest.raises(ConfigError) as error:
        env(env=[{"name": "X", **key("secret", name, key_name)}])
    assert f'key {key_name} of secret "{name}"' in str(error.value)
    assert "mount it as a file" in str(error.value)
    assert CANARY not in str(error.value)


def test_all_keys_at_once() -> None:
    """S#44: a prefix goes before each; the later object wins, env wins over all; keys that name nothing are skipped."""
    sources = [
        {"configMapRef": {"name": "settings"}, "prefix": "P_"},
        {"secretRef": {"name": "text"}},
        {"configMapRef": {"name": "none", "optional": True}},
    ]
    found = env(envFrom=sources, env=[{"name": "P_color", "value": "light $(P_color)"}])
    assert found == {
        "P_color": "light blue",
        "P_1st": "x",
        "P_a.b": "dotted",
        "P_NAME": "from the map",
        "password": CANARY,
    }


def test_a_later_object_wins() -> None:
    sources = [{"configMapRef": {"name": "settings"}}, {"configMapRef": {"name": "other"}}]
    pod = made({"envFrom": sources})
    other = {Reference("ConfigMap", "default", "other"): ConfigMap(data={"color": "green"})}
    around = Surroundings(NODE, "", CONTENTS | other)
    assert environment(pod.spec.containers[0], pod, around)["color"] == "green"


def test_a_missing_object_of_env_from_is_named() -> None:
    with pytest.raises(ConfigError, match='configmap "none" not found'):
        env(envFrom=[{"configMapRef": {"name": "none"}}])


def test_keys_that_name_no_variable_are_told() -> None:
    pod = made(
        {"envFrom": [{"configMapRef": {"name": "settings"}}, {"secretRef": {"name": "text"}}]}
    )
    around = Surroundings(NODE, "", CONTENTS)
    assert skipped(pod.spec.containers[0], pod, around) == [
        ("configMap default/settings", ["1st"]),
        ("secret default/text", ["0"]),
    ]


@pytest.mark.parametrize(
    ("name", "fits"),
    [
        *((name, True) for name in ("A", "_a", ".a", "a-b.c")),
        *((name, False) for name in ("1a", "", ".", "..", "..a", "a b")),
    ],
)
def test_names_of_variables(name: str, fits: bool) -> None:
    assert is_variable(name) is fits


def test_nothing_that_is_printed_shows_a_value() -> None:
    """What lands in a log by its repr."""
    shown = [
        Surroundings(NODE, "", CONTENTS),
        MATERIAL,
        File(CANARY.encode()),
        RegistryLogin("u", CANARY),
        ContainerSpec(sandbox=shell(0), name="a", image="i", env=(("X", CANARY),)),
    ]
    assert CANARY not in repr(shown)


# Files


def volume(mode: int | None = None, **source: Any) -> dict[str, Any]:
    told = {"defaultMode": mode} if mode is not None else {}
    [(name, fields)] = source.items()
    return {"name": "v", name: {**fields, **told}}


def contents(source: dict[str, Any], **spec: Any) -> dict[str, File]:
    pod = made(volumes=[source], **spec)
    return files(pod.spec.volumes[0], pod, MATERIAL)


def test_every_key_is_a_file() -> None:
    """S#48: text and bytes."""
    found = contents(volume(0o400, configMap={"name": "settings"}))
    assert {name: file.content for name, file in found.items()} == {
        "color": b"blue",
        "1st": b"x",
        "a.b": b"dotted",
        "NAME": b"from the map",
        "icon": b"\xff\0",
    }
    assert {file.mode for file in found.values()} == {0o400}


def test_items_choose_and_place() -> None:
    items = [{"key": "password", "path": "db/pass"}, {"key": "NAME", "path": "n", "mode": 0o600}]
    assert contents(volume(secret={"secretName": "keys", "items": items})) == {
        "db/pass": File(CANARY.encode(), 0o644),
        "n": File(b"from the secret", 0o600),
    }


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (volume(configMap={"name": "none"}), 'configmap "none" not found'),
        (volume(secret={"secretName": "never"}), 'secret "never" not found'),
        (
            volume(configMap={"name": "settings", "items": [{"key": "k", "path": "p"}]}),
            'configmap "settings" references non-existent config key: k',
        ),
        (
            volume(secret={"secretName": "keys", "items": [{"key": "k", "path": "p"}]}),
            'secret "keys" references non-existent secret key: k',
        ),
        (
            volume(projected={"sources": [{"secret": {"name": "never"}}]}),
            'secret "never" not found',
        ),
    ],
)
def test_files_that_cannot_be_made(source: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError) as error:
        contents(source)
    assert str(error.value) == told


def test_optional_files() -> None:
    items = [{"key": "k", "path": "p"}, {"key": "color", "path": "c"}]
    assert contents(volume(configMap={"name": "none", "optional": True})) == {}
    found = contents(volume(configMap={"name": "settings", "items": items, "optional": True}))
    assert found == {"c": File(b"blue")}


def test_several_in_one_directory() -> None:
    """S#48: projected."""
    sources = [
        {"configMap": {"name": "settings", "items": [{"key": "color", "path": "color"}]}},
        {"secret": {"name": "text", "items": [{"key": "password", "path": "s/p", "mode": 0o400}]}},
        {"downwardAPI": {"items": [{"path": "me", "fieldRef": {"fieldPath": "metadata.name"}}]}},
        {"serviceAccountToken": {"path": "token"}},
    ]
    assert contents(volume(0o440, projected={"sources": sources})) == {
        "color": File(b"blue", 0o440),
        "s/p": File(CANARY.encode(), 0o400),
        "me": File(b"web", 0o440),
        "token": File(b"t0k3n", 0o440),
    }


@pytest.mark.parametrize(
    ("context", "mode", "owner"),
    [({"runAsUser": 7}, 0o600, 7), ({"fsGroup": 8}, 0o600, None), ({}, 0o644, None)],
)
def test_a_token_is_for_its_user_only(
    context: dict[str, int], mode: int, owner: int | None
) -> None:
    source = volume(projected={"sources": [{"serviceAccountToken": {"path": "token"}}]})
    found = contents(source, securityContext=context)
    assert found == {"token": File(b"t0k3n", mode, owner)}


@pytest.mark.parametrize(
    ("source", "secret"),
    [
        (volume(secret={"secretName": "a"}), True),
        (volume(projected={"sources": [{"secret": {"name": "a"}}]}), True),
        (volume(projected={"sources": [{"serviceAccountToken": {"path": "t"}}]}), True),
        (volume(projected={"sources": [{"configMap": {"name": "a"}}]}), False),
        (volume(configMap={"name": "a"}), False),
        (volume(emptyDir={}), False),
    ],
)
def test_which_volumes_no_disk_may_see(source: dict[str, Any], secret: bool) -> None:
    assert is_secret(made(volumes=[source]).spec.volumes[0]) is secret


# On disk


@pytest.mark.parametrize(
    "path", ["../x", "/etc/x", "a/../../x", "..", "..data/x", "..data", "", "a\0b"]
)
def test_no_file_leads_out_of_its_volume(tmp_path: Path, path: str) -> None:
    with pytest.raises(OSError, match="leads out of its volume"):
        atomic.write(tmp_path / "v", {path: File(b"x")})
    assert sorted(tmp_path.rglob("*")) == []


def test_the_group_may_read_what_belongs_to_it(tmp_path: Path) -> None:
    """S#48: fsGroup."""
    atomic.write(tmp_path / "v", {"d/a": File(b"x", 0o400)}, group=os.getgid())
    assert (tmp_path / "v/d/a").stat().st_mode & 0o777 == 0o440
    assert not atomic.write(tmp_path / "v", {"d/a": File(b"x", 0o400)}, group=os.getgid())


def test_a_file_becomes_a_directory_and_back(tmp_path: Path) -> None:
    for wanted in ({"a": File(b"1")}, {"a/b": File(b"2")}, {"a": File(b"3")}):
        assert atomic.write(tmp_path, wanted)
        [name] = wanted
        assert (tmp_path / name).read_bytes() == wanted[name].content


def test_what_a_crash_left_is_removed(tmp_path: Path) -> None:
    atomic.write(tmp_path, {"a": File(b"1")})
    (tmp_path / "..2020_01_01_00_00_00.x").mkdir()
    (tmp_path / "..2020_01_01_00_00_00.x" / "a").write_text("torn")
    atomic.write(tmp_path, {"a": File(b"2")})
    hidden = [entry for entry in tmp_path.iterdir() if entry.name.startswith("..")]
    assert len(hidden) == 2  # ..data, and the directory that it leads to
    assert (tmp_path / "a").read_text() == "2"


def test_a_failed_write_changes_nothing(tmp_path: Path) -> None:
    atomic.write(tmp_path, {"a": File(b"1")})
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(OSError, match=r"exists|directory"):
        atomic.write(tmp_path, {"a": File(b"2"), "a/b": File(b"3")})
    assert sorted(os.listdir(tmp_path)) == before
    assert (tmp_path / "a").read_text() == "1"


# What a pod names


def test_all_that_a_pod_names() -> None:
    pod = made(
        {
            "envFrom": [{"configMapRef": {"name": "a"}}, {"secretRef": {"name": "b"}}],
            "env": [
                {"name": "X", **key("configMap", "c", "k")},
                {"name": "Y", **key("secret", "d", "k")},
            ],
        },
        initContainers=[{"name": "i", "image": "i", "envFrom": [{"secretRef": {"name": "e"}}]}],
        volumes=[
            {"name": "v1", "configMap": {"name": "f"}},
            {"name": "v2", "secret": {"secretName": "g"}},
            {
                "name": "v3",
                "projected": {"sources": [{"configMap": {"name": "h"}}, {"secret": {"name": "i"}}]},
            },
        ],
        imagePullSecrets=[{"name": "j"}],
    )
    found = sorted(of_pod(pod.spec, "shop"))
    assert [(each.kind, each.name) for each in found] == [
        *(("ConfigMap", name) for name in "acfh"),
        *(("Secret", name) for name in "bdegij"),
    ]
    assert {each.namespace for each in found} == {"shop"}


# Logins


def pull_secret(auths: dict[str, Any], *, old: bool = False) -> Secret:
    if old:
        return Secret(data={".dockercfg": json.dumps(auths).encode()})
    return Secret(data={".dockerconfigjson": json.dumps({"auths": auths}).encode()})


def auth(text: str) -> dict[str, str]:
    return {"auth": base64.b64encode(text.encode()).decode()}


@pytest.mark.parametrize(
    ("image", "registry", "fits"),
    [
        ("registry.test/app:1", "registry.test", True),
        ("registry.test/app:1", "https://registry.test", True),
        ("registry.test/app:1", "https://registry.test/v2/", True),
        ("registry.test/team/app:1", "registry.test/team", True),
        ("registry.test/team/app:1", "registry.test/other", False),
        ("registry.test/teams/app:1", "registry.test/team", False),
        ("a.registry.test/app", "*.registry.test", True),
        ("a.b.registry.test/app", "*.registry.test", False),
        ("registry.test:5000/app", "registry.test:5000", True),
        ("registry.test:5000/app", "registry.test", False),
        ("nginx", "https://index.docker.io/v1/", True),
        ("team/app", "docker.io", True),
        ("registry.test/app", "https://index.docker.io/v1/", False),
        ("localhost:5000/app", "localhost:5000", True),
    ],
)
def test_which_login_is_for_an_image(image: str, registry: str, fits: bool) -> None:
    secret = pull_secret({registry: auth("u:p:w")})
    assert keyring.logins(image, [secret]) == ((RegistryLogin("u", "p:w"),) if fits else ())


def test_the_most_specific_login_is_tried_first() -> None:
    secrets = [
        pull_secret({"r.test": auth("a:1"), "r.test/team": auth("b:2")}),
        pull_secret({"r.test": {"username": "c", "password": "3"}}, old=True),
        Secret(data={".dockerconfigjson": b"nonsense"}),
        pull_secret({"r.test": {"auth": "?"}, "x": [], "y": {"auth": "bm9jb2xvbg=="}}),
    ]
    found = keyring.logins("r.test/team/app", secrets)
    assert [login.username for login in found] == ["b", "a", "c"]
