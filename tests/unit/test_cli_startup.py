"""`helmling get` imports as little as it can, and what it leaves out is not broken for others."""

import subprocess
import sys

HEAVY = (
    "rich",
    "yaml",
    "docker",
    "control_plane",
    "node_agent",
    "argparse",
    "google.protobuf.json_format",
    "grpc.aio",
)


def modules_after(program: str) -> set[str]:
    """What is imported when the program is through."""
    code = f"{program}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_get_imports_nothing_heavy() -> None:
    """Up to the moment at which it would connect."""
    imported = modules_after(
        "from cli.main import execute\nassert execute(['get', 'pods', '--server=127.0.0.1:1']) == 1"
    )
    assert "cli.connection" in imported
    assert imported.isdisjoint(HEAVY)


def test_explain_needs_no_grpc() -> None:
    imported = modules_after("import cli.commands.explain")
    assert "grpc" not in imported


def test_grpcs_asyncio_half_can_still_be_had() -> None:
    """`helmling down` imports both, in this order."""
    modules_after("import cli.connection\nimport grpc.aio\nassert grpc.aio.insecure_channel")


def test_each_command_is_where_the_table_says() -> None:
    from cli.main import COMMANDS, command_named

    for word in COMMANDS:
        command = command_named(word)
        assert command.usage.startswith(word)
        assert command.about.rstrip().endswith((".", "code."))
