"""The commands that make, change and remove objects, against a real server with hollow nodes."""

import stat
from pathlib import Path

from tests.e2e.cli_runner import ROOT, Cli
from tests.e2e.hollow_pods import manifest, namespace_of, running


def test_apply_is_a_three_way_merge(cli: Cli, tmp_path: Path) -> None:
    """What the file no longer says goes, what others added stays."""
    file = tmp_path / "pod.yaml"
    file.write_text(manifest("web").replace("app: web", "app: web\n    old: x"))
    assert cli.ok("apply", "-f", str(file)).out == "pod/web created\n"
    assert cli.ok("apply", "-f", str(file)).out == "pod/web unchanged\n"
    assert cli.run("diff", "-f", str(file)).code == 0
    cli.ok("label", "pod", "web", "others=y")
    file.write_text(manifest("web").replace("app: web", "app: site"))
    different = cli.run("diff", "-f", str(file))
    assert different.code == 1
    assert "-    app: web" in different.out
    assert "+    app: site" in different.out
    assert (
        cli.ok("apply", "-f", str(file), "--dry-run=server").out
        == "pod/web configured (server dry run)\n"
    )
    assert (
        cli.ok("apply", "-f", str(file), "--dry-run=client").out == "pod/web configured (dry run)\n"
    )
    assert cli.ok("apply", "-f", str(file)).out == "pod/web configured\n"
    labels = cli.ok("get", "pod", "web", "-o", "json").json()["metadata"]["labels"]
    assert labels == {"app": "site", "others": "y"}


def test_apply_is_all_or_nothing(cli: Cli, tmp_path: Path) -> None:
    """One wrong document, in any file, and nothing is applied; every complaint has its place."""
    (tmp_path / "1.yaml").write_text(manifest("good"))
    bad = (
        manifest("bad")
        .replace("containerPort: 80", "containerPort: 99999")
        .replace("name: main", "name: Main")
    )
    (tmp_path / "2.yaml").write_text(manifest("fine") + "---\n" + bad)
    said = cli.fails("apply", "-f", str(tmp_path))
    assert f"{tmp_path}/2.yaml:25:5: spec.containers[0].name: Invalid value" in said
    assert (
        f"{tmp_path}/2.yaml:29:7: spec.containers[0].ports[0].containerPort: Invalid value" in said
    )
    assert cli.ok("get", "pods").out == ""
    (tmp_path / "2.yaml").write_text(manifest("fine").replace("image:", "imagee:"))
    said = cli.fails("apply", "-f", str(tmp_path))
    assert 'imagee: unknown field; did you mean "image"?' in said
    assert cli.ok("get", "pods").out == ""


def test_apply_objects_with_their_namespace(cli: Cli) -> None:
    """A namespace and what lives in it may come in one file."""
    name = f"{namespace_of(cli)[:20]}-new"
    both = f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}}}\n---\n" + manifest("web")
    both = both.replace("  name: web", f"  name: web\n  namespace: {name}")
    assert cli.ok("apply", "-f", "-", stdin=both).lines() == [
        f"namespace/{name} created",
        "pod/web created",
    ]
    gone = cli.ok("delete", "--ignore-not-found", "-f", "-", stdin=both).lines()
    assert gone[0] == f'namespace "{name}" deleted'
    # Unless it has gone with its namespace already:
    assert set(gone[1:]) <= {f'pod "web" deleted from {name} namespace'}
    assert "does not match the namespace" in cli.fails(
        "apply", "-n", "other", "-f", "-", stdin=both
    )


def test_applying_the_examples_again_changes_nothing(cli: Cli) -> None:
    """What the server adds (defaults, tolerations, priority) is no reason to write, or to refuse."""
    examples = str(ROOT / "examples")
    try:
        assert "pod/spread-a created" in cli.ok("apply", "-f", examples).out
        again = cli.ok("apply", "-f", examples).lines()
        assert len(again) > 9
        assert all(line.endswith(" unchanged") for line in again), again
    finally:
        cli.ok("delete", "-f", examples, "--now", "--ignore-not-found")


def test_apply_refuses_what_cannot_change(cli: Cli) -> None:
    cli.ok("apply", "-f", "-", stdin=manifest("web"))
    said = cli.fails("apply", "-f", "-", stdin=manifest("web").replace("Seconds: 1", "Seconds: 7"))
    assert said.startswith("stdin:7:1: spec: ")
    assert "pod updates may not change fields" in said


def test_apply_wrong_input(cli: Cli) -> None:
    assert "must specify -f" in cli.fails("apply")
    assert 'the path "nowhere.yaml" does not exist' in cli.fails("apply", "-f", "nowhere.yaml")
    assert "--prune is not supported" in cli.fails(
        "apply", "-f", "-", "--prune", stdin=manifest("x")
    )
    assert "which dry run?" in cli.fails("apply", "-f", "-", "--dry-run", stdin=manifest("x"))


def test_one_look_shows_everything(cli: Cli) -> None:
    """What the file gets wrong, what is no object at all, and what the server would refuse, in one answer."""
    text = """\
apiVersion: v1
kind: Pod
metadata: {name: Bad}
spec:
  containers:
  - name: web
    imagee: web:1
    image: 5
  restartPolicy: Allways
---
apiVersion: v1
kind: Pood
metadata: {name: x}
---
apiVersion: v1
kind: Pod
metadata: {name: fine}
spec: {containers: [{name: web, image: "web:1"}]}
"""
    for verb in ("apply", "create"):
        said = cli.fails(verb, "-f", "-", stdin=text)
        assert "5 problems, and nothing was done" in said
        for part in (
            'stdin:12:1: kind: no kind "Pood" in version "v1"; did you mean "Pod"?',
            'stdin:7:5: spec.containers[0].imagee: unknown field; did you mean "image"?',
            "stdin:8:5: spec.containers[0].image: must be a string, not the number 5",
            'stdin:9:3: spec.restartPolicy: Unsupported value: "Allways"',
            'stdin:3:12: metadata.name: Invalid value: "Bad"',
        ):
            assert part in said, (verb, said)
    assert "not found" in cli.fails("get", "pod", "fine")


def test_create(cli: Cli) -> None:
    assert cli.ok("create", "-f", "-", stdin=manifest("web")).out == "pod/web created\n"
    assert 'pods "web" already exists' in cli.fails("create", "-f", "-", stdin=manifest("web"))
    generated = manifest("x").replace("  name: x", "  generateName: gen-")
    assert cli.ok("create", "-f", "-", "-o", "name", stdin=generated).out.startswith("pod/gen-")
    shown = cli.ok("create", "namespace", "other", "--dry-run=client", "-o", "yaml").out
    assert "kind: Namespace" in shown
    assert 'did you mean "namespace"' in cli.fails("create", "namespce", "x")
    assert "exactly one NAME" in cli.fails("create", "namespace")


def test_run(cli: Cli) -> None:
    dry = cli.ok(
        "run",
        "web",
        "--image=i",
        "--env=A=b",
        "--port=80",
        "--dry-run=client",
        "-o",
        "json",
        "--",
        "x",
        "y",
    ).json()
    container = dry["spec"]["containers"][0]
    assert container["args"] == ["x", "y"]
    assert container["env"] == [{"name": "A", "value": "b"}]
    assert container["ports"] == [{"containerPort": 80}]
    over = '{"spec":{"nodeName":"n-2"}}'
    assert (
        cli.ok(
            "run",
            "web",
            "--image=helmling/hello:v1",
            "--restart=Never",
            f"--overrides={over}",
            "--command",
            "--",
            "sh",
        ).out
        == "pod/web created\n"
    )
    pod = cli.ok("get", "pod", "web", "-o", "json").json()
    assert (pod["spec"]["nodeName"], pod["spec"]["restartPolicy"]) == ("n-2", "Never")
    assert pod["spec"]["containers"][0]["command"] == ["sh"]
    assert "--image is required" in cli.fails("run", "web")
    assert "NAME is required" in cli.fails("run", "--image=x")
    assert "--rm should only be used" in cli.fails("run", "web", "--image=x", "--rm")
    assert "invalid restart policy" in cli.fails("run", "w", "--image=x", "--restart=Maybe")
    assert "not valid JSON" in cli.fails("run", "w", "--image=x", "--overrides={")
    said = cli.fails("run", "W", "--image=x")
    assert said.startswith('The Pod "W" is invalid:\n* ')
    assert "* metadata.name: Invalid value" in said


def test_delete(cli: Cli) -> None:
    name = namespace_of(cli)
    for pod in ("a", "b", "c", "d"):
        cli.ok("apply", "-f", "-", stdin=manifest(pod, "x" if pod < "c" else "y"))
    cli.ok("wait", "--for=condition=Ready", "pods", "--all", "--timeout=60s")
    assert cli.ok("delete", "pod", "a").out == f'pod "a" deleted from {name} namespace\n'
    assert cli.ok("get", "pods", "-o", "name").lines() == ["pod/b", "pod/c", "pod/d"]
    assert cli.ok("delete", "pods", "-l", "app=x", "--now", "-o", "name").out == "pod/b\n"
    forced = cli.ok("delete", "pod/c", "--grace-period=0", "--force")
    assert forced.out == f'pod "c" force deleted from {name} namespace\n'
    assert "Immediate deletion does not wait" in forced.err
    assert cli.ok("delete", "pods", "--all", "--dry-run=server").out.endswith("(server dry run)\n")
    assert cli.ok("delete", "pods", "--all").out == f'pod "d" deleted from {name} namespace\n'
    assert cli.ok("delete", "pods", "--all").err == "No resources found\n"
    assert cli.fails("delete", "pod", "a") == 'Error from server (NotFound): pods "a" not found\n'
    assert cli.ok("delete", "pod", "a", "--ignore-not-found").out == ""
    assert "no name was specified" in cli.fails("delete", "pods")
    assert "invalid cascade value" in cli.fails("delete", "pods", "--all", "--cascade=up")


def test_label_and_annotate(cli: Cli) -> None:
    running(cli, "web")
    assert cli.ok("label", "pod", "web", "tier=front").out == "pod/web labeled\n"
    assert cli.ok("label", "pod", "web", "tier=front").out == "pod/web not labeled\n"
    assert cli.fails("label", "pod", "web", "tier=back") == (
        "error: 'tier' already has a value (front), and --overwrite is false\n"
    )
    assert cli.ok("label", "pods", "--all", "tier=back", "--overwrite").out == "pod/web labeled\n"
    assert " tier=back" in cli.ok("label", "pod", "web", "--list").lines()
    assert cli.ok("label", "pod", "web", "tier-").out == "pod/web unlabeled\n"
    assert 'label "tier" not found' in cli.ok("label", "pod", "web", "tier-").err
    assert cli.ok("annotate", "pod/web", "note=hello there").out == "pod/web annotated\n"
    assert (
        cli.ok("get", "pod", "web", "-o", "jsonpath={.metadata.annotations.note}").out
        == "hello there"
    )
    assert cli.ok("label", "node", "n-1", "disk=ssd", "--overwrite").out == "node/n-1 labeled\n"
    assert "is invalid" in cli.fails("label", "pod", "web", "bad key=x")
    assert "at least one change is required" in cli.fails("label", "pod", "web")
    assert "NotFound" in cli.fails("annotate", "pod", "nobody", "a=b")


def test_patch(cli: Cli) -> None:
    running(cli, "web")
    strategic = '{"spec":{"containers":[{"name":"web","image":"helmling/hello:v2"}]}}'
    assert cli.ok("patch", "pod", "web", "-p", strategic).out == "pod/web patched\n"
    assert cli.ok("patch", "pod", "web", "-p", strategic).out == "pod/web patched (no change)\n"
    assert (
        cli.ok("patch", "pod", "web", "--type=merge", "-p", "metadata: {labels: {a: b}}").out
        == "pod/web patched\n"
    )
    replace = '[{"op":"replace","path":"/metadata/labels/a","value":"c"}]'
    assert cli.ok("patch", "pod/web", "--type=json", "-p", replace).out == "pod/web patched\n"
    assert cli.ok("get", "pod", "web", "-o", "jsonpath={.metadata.labels.a}").out == "c"
    assert "--type must be one of" in cli.fails("patch", "pod", "web", "--type=jsn", "-p", "{}")
    assert "unable to parse the patch: -p:2:1: a bracket or brace that is not closed" in cli.fails(
        "patch", "pod", "web", "-p", "{a: ["
    )
    assert "must specify either -p" in cli.fails("patch", "pod", "web")
    assert "unknown field" in cli.fails("patch", "pod", "web", "-p", '{"spec":{"nodeNme":"x"}}')


def test_replace(cli: Cli, tmp_path: Path) -> None:
    cli.ok("apply", "-f", "-", stdin=manifest("web"))
    file = tmp_path / "web.yaml"
    cli.ok("wait", "--for=condition=Ready", "pod/web", "--timeout=60s")
    stale = cli.ok("get", "pod", "web", "-o", "yaml").out
    cli.ok("label", "pod", "web", "somebody=else")
    file.write_text(stale.replace("app: web", "app: replaced"))
    assert "Error from server (Conflict)" in cli.fails("replace", "-f", str(file))
    fresh = cli.ok("get", "pod", "web", "-o", "yaml").out
    file.write_text(fresh.replace("app: web", "app: replaced"))
    assert cli.ok("replace", "-f", str(file)).out == "pod/web replaced\n"
    uid = cli.ok("get", "pod", "web", "-o", "jsonpath={.metadata.uid}").out
    assert "pod/web replaced" in cli.ok("replace", "--force", "-f", "-", stdin=manifest("web")).out
    assert cli.ok("get", "pod", "web", "-o", "jsonpath={.metadata.uid}").out != uid
    assert "NotFound" in cli.fails("replace", "-f", "-", stdin=manifest("nobody"))


def editor(tmp_path: Path, script: str) -> str:
    path = tmp_path / "editor.sh"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_edit(cli: Cli, tmp_path: Path) -> None:
    running(cli, "web")
    cli.environment["KUBE_EDITOR"] = editor(tmp_path, "true")
    assert cli.ok("edit", "pod", "web").out == "Edit cancelled, no changes made.\n"
    cli.environment["KUBE_EDITOR"] = editor(tmp_path, "sed -i 's/run: web/run: edited/' $1")
    assert cli.ok("edit", "pod", "web").out == "pod/web edited\n"
    assert cli.ok("get", "pod", "web", "-o", "jsonpath={.metadata.labels.run}").out == "edited"
    cli.environment["KUBE_EDITOR"] = editor(tmp_path, ": > $1")
    assert cli.ok("edit", "pod", "web").out == "Edit cancelled, saved file was empty.\n"
    cli.environment["KUBE_EDITOR"] = "/nowhere/editor"
    cli.environment["TMPDIR"] = str(tmp_path)
    assert "unable to launch the editor" in cli.fails("edit", "pod", "web")
    assert not list(tmp_path.glob("helmling-edit-*"))


def test_edit_opens_again_after_an_error(cli: Cli, tmp_path: Path) -> None:
    """The second time, the complaint is on top; leaving it as it is gives up."""
    running(cli, "web")
    log = tmp_path / "seen"
    script = f"cat $1 >> {log}; grep -q imagee $1 || sed -i 's/- image:/- imagee:/' $1"
    cli.environment["KUBE_EDITOR"] = editor(tmp_path, script)
    said = cli.fails("edit", "pod", "web")
    assert "no valid changes were saved" in said
    assert 'unknown field; did you mean "image"?' in log.read_text()
    Path(said.rpartition(" ")[2].strip()).unlink()  # the user's text, which is kept


def test_diff_of_what_comes_together(cli: Cli) -> None:
    """Nothing of it is there yet: neither the namespace, nor the account, nor the role."""
    said = cli.run("diff", "-f", "-", stdin=TOGETHER)
    assert said.code == 1, said.err
    assert "+  serviceAccountName: robot" in said.out
    assert "+  name: reads" in said.out
    assert "+  name: late" in said.out
    assert "correct-horse" not in said.out + said.err
    cli.fails("get", "serviceaccount", "robot")
    alone = TOGETHER.split("---")[1]
    assert "serviceaccount" in cli.fails("diff", "-f", "-", stdin=alone, code=2)


TOGETHER = """apiVersion: v1
kind: ServiceAccount
metadata: {name: robot}
---
apiVersion: v1
kind: Pod
metadata: {name: runs}
spec:
  serviceAccountName: robot
  containers: [{name: a, image: "helmling/hello:v1"}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader}
rules: [{apiGroups: [""], resources: [pods], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reads}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects: [{kind: User, apiGroup: rbac.authorization.k8s.io, name: jane}]
---
apiVersion: v1
kind: Namespace
metadata: {name: late}
---
apiVersion: v1
kind: Secret
metadata: {name: keys, namespace: late}
stringData: {password: correct-horse}
"""
