"""Running the programs that change the network: ip, nft, iptables.

They are the words every administrator knows, so what we do can be repeated by hand. Each runs in
the network namespace of the agent, whichever that is, and gets a deadline.
"""

import asyncio

TIMEOUT = 30.0  # seconds; all of them answer in milliseconds


class NetworkFailure(Exception):
    """A network command failed; the message has the command and its words."""


async def run(*command: str, stdin: str = "") -> str:
    """The command's output. Raises NetworkFailure."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except FileNotFoundError as error:
        raise NetworkFailure(f"the program {command[0]} is not installed on this node") from error
    try:
        async with asyncio.timeout(TIMEOUT):
            output, errors = await process.communicate(stdin.encode())
    except TimeoutError as error:
        raise NetworkFailure(f"{' '.join(command)} did not end within {TIMEOUT:g} s") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        words = errors.decode(errors="replace").strip()
        raise NetworkFailure(f"{' '.join(command)}: {words}" + (f"\n{stdin}" if stdin else ""))
    return output.decode()


async def succeeds(*command: str) -> bool:
    """Whether it ends with 0. For commands that ask, or that undo what may be undone already."""
    try:
        await run(*command)
    except NetworkFailure:
        return False
    return True
