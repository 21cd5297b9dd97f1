"""What is in deploy/ works with this very program: flags exist, values are taken, and cloud-init has the same units."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli.command import GLOBAL_FLAGS, Session
from cli.flags import parse
from cli.main import command_named

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
CLOUD = sorted((DEPLOY / "cloud-init").glob("*.yaml"))


def assignments(text: str) -> dict[str, str]:
    """Of an EnvironmentFile."""
    rows = [row for row in text.splitlines() if row and not row.startswith("#")]
    return {name: value for name, _, value in (row.partition("=") for row in rows)}


def expanded(line: str, environment: dict[str, str]) -> list[str]:
    """As systemd reads it: ${NAME} is a part of a word, $NAME alone is as many words as it has."""
    words: list[str] = []
    for word in shlex.split(line):
        alone = re.fullmatch(r"\$(\w+)", word)
        if alone:
            words += environment[alone[1]].split()
        else:
            words.append(re.sub(r"\$\{(\w+)\}", lambda found: environment[found[1]], word))
    return words


def command_line(unit: str) -> list[str]:
    (line,) = re.findall(r"^ExecStart=(.*)$", unit, re.MULTILINE)
    (file,) = re.findall(r"^EnvironmentFile=/etc/helmling/(.*)$", unit, re.MULTILINE)
    return expanded(line, assignments((DEPLOY / "systemd" / file).read_text()))


def understood(words: list[str]) -> Session:
    """The command line as the program reads it. Raises UsageError."""
    command = command_named(words[0])
    return Session(parse((*GLOBAL_FLAGS, *command.flags), words[1:]), command)


def test_words_are_read_as_systemd_reads_them() -> None:
    told = {"A": "1.2.3.4", "MORE": "--x=1 --y=2", "NONE": ""}
    assert expanded("p --a=${A} $MORE $NONE", told) == ["p", "--a=1.2.3.4", "--x=1", "--y=2"]


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_the_program_takes_what_a_unit_says(unit: Path) -> None:
    program, *words = command_line(unit.read_text())
    assert program == "/opt/helmling/bin/helmling"
    session = understood(words)
    assert session.args == []
    if words[0] == "server":
        from cli.cluster import nodeflags
        from cli.commands.server import _ports

        nodeflags.options(session)
        assert _ports(session) == ("192.168.1.10", 6440, 6441, 6443)
    else:
        from cli.cluster.layout import Layout, Wishes
        from cli.commands.agent import _invitation, _told

        told = _told(session, Layout(Path("/x")), "", Wishes(node_name="n"))
        assert (told.port, told.overlay) == (10250, "auto")
        invitation = _invitation(session)
        assert invitation is not None
        assert invitation.address == "192.168.1.10:6441"


def cloud(path: Path) -> dict[str, Any]:
    text = path.read_text()
    assert text.startswith("#cloud-config\n"), "or cloud-init does not look at it"
    read: dict[str, Any] = yaml.safe_load(text)
    return read


@pytest.mark.parametrize("path", CLOUD, ids=lambda path: path.name)
def test_cloud_init_writes_the_very_files_of_this_folder(path: Path) -> None:
    written = {Path(file["path"]).name: file["content"] for file in cloud(path)["write_files"]}
    known = {file.name: file.read_text() for file in (DEPLOY / "systemd").iterdir()}
    ours = {name: content for name, content in written.items() if name in known}
    assert len(ours) == 2, "a unit and its environment"
    assert ours == {name: known[name] for name in ours}


@pytest.mark.parametrize("path", CLOUD, ids=lambda path: path.name)
def test_cloud_init_starts_the_unit_that_it_writes(path: Path) -> None:
    about = cloud(path)
    (unit,) = (Path(f["path"]).stem for f in about["write_files"] if f["path"].endswith(".service"))
    assert about["runcmd"][-1] == f"systemctl enable --now {unit}"
