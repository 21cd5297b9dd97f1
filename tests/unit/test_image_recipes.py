"""The parts of the image builder that need neither Docker nor a network."""

import io
import json
import subprocess
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from node_agent.images import RECIPES
from node_agent.images.archive import pack
from node_agent.images.packages import ImageError, PackageCache, dependencies, merged, unpack
from node_agent.images.recipes import BOX
from node_agent.images.rootfs import lay_out


def test_dependencies_are_those_that_apt_would_choose() -> None:
    """Of `a | b` the first; for a name that no package has, the first that provides it.

    Following more would drag in packages that conflict with each other.
    """
    text = """\
nginx
  PreDepends: libc6
 |Depends: nginx-core
 |Depends: nginx-full
  Depends: nginx-light
  Depends: <libssl3>
    libssl3t64
    libssl3-other
  Depends: libpcre2-8-0:any
 |Depends: <libnone>
    libsome
  Depends: libunused
  Recommends: libextra
"""
    assert dependencies(text) == ["libc6", "nginx-core", "libssl3t64", "libpcre2-8-0", "libsome"]


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("./bin/busybox", "usr/bin/busybox"),
        ("./usr/bin/busybox", "usr/bin/busybox"),
        ("./lib64/ld-linux-x86-64.so.2", "usr/lib64/ld-linux-x86-64.so.2"),
        ("./etc/passwd", "etc/passwd"),
        ("./libexec/x", "libexec/x"),
    ],
)
def test_old_and_new_package_layouts_end_in_the_same_place(name: str, path: str) -> None:
    assert merged(name) == path


def test_recipes_have_names_of_their_own_and_digests_that_follow_their_content() -> None:
    """The digest is what decides whether an image is built again."""
    assert len({recipe.image for recipe in RECIPES}) == len(RECIPES)
    assert len({recipe.digest() for recipe in RECIPES}) == len(RECIPES)
    assert BOX.digest() == replace(BOX).digest()
    assert BOX.digest() != replace(BOX, files={"etc/motd": "hi"}).digest()


def test_an_archive_depends_on_nothing_but_its_content(tmp_path: Path) -> None:
    """Two machines that build from the same packages get the same image ID."""
    roots = [tmp_path / "one", tmp_path / "two"]
    recipe = replace(BOX, programs={}, shell=False, files={"a/b": "text"}, links={"c": "a/b"})
    for root in roots:
        root.mkdir()
        lay_out(recipe, tmp_path, root)
    one, two = (
        pack(root, image="x:1", architecture="amd64", config={"Cmd": ["sh"]}) for root in roots
    )
    assert one == two


def test_the_archive_is_what_docker_load_reads(tmp_path: Path) -> None:
    """manifest.json names the configuration and the layers; files belong to root."""
    (tmp_path / "file").write_text("content")
    content = pack(tmp_path, image="x:1", architecture="arm64", config={"Cmd": ["sh"]})
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        (manifest,) = json.load(archive.extractfile("manifest.json") or io.BytesIO())
        about = json.load(archive.extractfile(manifest["Config"]) or io.BytesIO())
        layer = archive.extractfile(manifest["Layers"][0])
        assert layer is not None
        with tarfile.open(fileobj=layer) as files:
            members = {member.name: (member.uid, member.gid) for member in files}
    assert manifest["RepoTags"] == ["x:1"]
    assert about["architecture"] == "arm64"
    assert about["config"] == {"Cmd": ["sh"]}
    assert members == {"file": (0, 0)}


def test_a_program_that_no_package_has_is_an_error_with_names(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"helmling/box:1: no usr/bin/busybox in busybox, libc6"):
        lay_out(BOX, tmp_path, tmp_path / "root")


def test_without_apt_the_message_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ImageError, match=r"apt-get and dpkg-deb not found.*docker save.*load"):
        PackageCache(tmp_path).fetch(["busybox"])


def test_unpack_keeps_modes_dates_and_links(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN/control").write_text(
        "Package: sample\nVersion: 1\nArchitecture: all\nMaintainer: x <x@x>\nDescription: x\n"
    )
    (tree / "bin").mkdir()
    (tree / "bin/tool").write_text("#!/bin/sh\n")
    (tree / "bin/tool").chmod(0o755)
    (tree / "bin/alias").symlink_to("tool")
    package = tmp_path / "sample.deb"
    subprocess.run(["dpkg-deb", "-b", tree, package], check=True, capture_output=True)
    unpack(package, tmp_path / "out")
    tool = tmp_path / "out/usr/bin/tool"
    assert tool.stat().st_mode & 0o7777 == 0o755
    assert int(tool.stat().st_mtime) == int((tree / "bin/tool").stat().st_mtime)
    assert (tmp_path / "out/usr/bin/alias").readlink() == Path("tool")


def test_a_broken_package_file_is_named(tmp_path: Path) -> None:
    package = tmp_path / "broken.deb"
    package.write_bytes(b"not a package")
    with pytest.raises(ImageError, match=r"broken\.deb"):
        unpack(package, tmp_path / "out")
