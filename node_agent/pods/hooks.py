"""Lifecycle hooks: what a container wants done right after its start and right before its end.

https://kubernetes.io/docs/concepts/containers/container-lifecycle-hooks/
"""

import asyncio

from node_agent.probes.check import Subject, connect, http_get, run
from node_agent.probes.result import Result
from node_agent.runtime.errors import RuntimeFailure
from node_agent.runtime.interface import Streams
from proto.v1.pod_pb2 import LifecycleHandler

FOR_EVER = 365 * 86400.0  # seconds; a postStart hook may take as long as its pod lives


async def run_hook(
    handler: LifecycleHandler, subject: Subject, runtime: Streams, *, timeout: float = FOR_EVER
) -> Result:
    """Whether it did what it should, in at most `timeout` seconds."""
    try:
        async with asyncio.timeout(timeout):
            return await _run(handler, subject, runtime, timeout)
    except TimeoutError:
        return Result(False, f"it did not end within {timeout:g} s")
    except (LookupError, RuntimeFailure) as error:
        return Result(False, str(error))


async def _run(
    handler: LifecycleHandler, subject: Subject, runtime: Streams, timeout: float
) -> Result:
    if handler.HasField("exec"):
        return await run(handler.exec, subject, runtime, timeout=timeout)
    if handler.HasField("httpGet"):
        return await http_get(handler.httpGet, subject, timeout=timeout)
    if handler.HasField("tcpSocket"):
        return await connect(handler.tcpSocket, subject, timeout=timeout)
    await asyncio.sleep(handler.sleep.seconds)
    return Result(True)
