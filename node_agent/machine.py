"""What the machine is and has, read from the kernel: the facts of a Node."""

import os
import platform
import shutil
import socket
from dataclasses import dataclass, replace
from pathlib import Path

_MIB = 1024 * 1024


@dataclass(frozen=True)
class Machine:
    """What does not change while the agent runs."""

    cores: int
    memory: int  # bytes
    disk: int  # bytes, where pods keep their files
    address: str
    machine_id: str = ""
    boot_id: str = ""
    kernel: str = ""
    os_image: str = ""
    architecture: str = "amd64"


@dataclass(frozen=True)
class Pressure:
    """What is running short now."""

    memory: bool = False
    disk: bool = False
    pids: bool = False


def examine(data_dir: Path) -> Machine:
    """This machine."""
    return Machine(
        cores=os.cpu_count() or 1,
        memory=_meminfo()["MemTotal"],
        disk=shutil.disk_usage(_existing(data_dir)).total,
        address=_address(),
        machine_id=_line("/etc/machine-id"),
        boot_id=_line("/proc/sys/kernel/random/boot_id"),
        kernel=platform.release(),
        os_image=_os_image(),
        architecture={"x86_64": "amd64", "aarch64": "arm64"}.get(
            platform.machine(), platform.machine()
        ),
    )


def at(machine: Machine, address: str) -> Machine:
    """The machine, known by another address."""
    return replace(machine, address=address)


def pressure(data_dir: Path) -> Pressure:
    """Kubernetes' eviction thresholds: 100 MiB of memory, 10 % of the disk, 10 % of process numbers."""
    disk = shutil.disk_usage(_existing(data_dir))
    most = int(_line("/proc/sys/kernel/pid_max") or 0)
    used = int(_line("/proc/loadavg").split(" ")[3].partition("/")[2])
    return Pressure(
        memory=_meminfo()["MemAvailable"] < 100 * _MIB,
        disk=disk.free < disk.total // 10,
        pids=most > 0 and used > most * 9 // 10,
    )


def resolv_conf(path: Path) -> str:
    """The node's resolver, as pods can use it: a stub that listens on the node's loopback is of no use to them."""
    text = _text(str(path))
    behind_stub = _text("/run/systemd/resolve/resolv.conf")
    return behind_stub if "nameserver 127.0.0.53" in text and behind_stub else text


def _existing(path: Path) -> Path:
    while not path.exists():
        path = path.parent
    return path


def _meminfo() -> dict[str, int]:
    lines = (line.split() for line in _text("/proc/meminfo").splitlines())
    return {words[0].rstrip(":"): int(words[1]) * 1024 for words in lines}


def _address() -> str:
    """The address this machine would use towards the world; nothing is sent to find out."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            return str(probe.getsockname()[0])
        except OSError:
            return "127.0.0.1"


def _os_image() -> str:
    for line in _text("/etc/os-release").splitlines():
        if line.startswith("PRETTY_NAME="):
            return line.partition("=")[2].strip('"')
    return platform.system()


def _line(path: str) -> str:
    return _text(path).strip()


def _text(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""
