"""Several streams in one WebSocket: the first byte of each message says which. Pure.

    0 input   1 output   2 errors   3 how it ended (a Status)   4 the terminal's size   255 a stream is closed (v5 only)

v5 is v4 with the last of these: without it nobody can say that the input is over.
https://github.com/kubernetes/enhancements/tree/master/keps/sig-api-machinery/4006-transition-spdy-to-websockets
"""

from typing import Any

import orjson

from api.errors import ApiError
from control_plane.gateway import failures
from proto.v1 import service_pb2 as pb

V5, V4 = "v5.channel.k8s.io", "v4.channel.k8s.io"
PROTOCOLS = (V5, V4)
STDIN, STDOUT, STDERR, ENDED, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255


def read(message: bytes, protocol: str) -> pb.ExecRequest | None:
    """What a client's message says; None: nothing that we know."""
    if not message:
        return None
    channel, content = message[0], message[1:]
    if channel == STDIN:
        return pb.ExecRequest(stdin=content) if content else None
    if channel == RESIZE:
        return _resized(content)
    if channel == CLOSE and protocol == V5 and content[:1] == bytes((STDIN,)):
        return pb.ExecRequest(closeStdin=True)
    return None


def _resized(content: bytes) -> pb.ExecRequest | None:
    try:
        size = orjson.loads(content)
        return pb.ExecRequest(resize=pb.TerminalSize(width=size["Width"], height=size["Height"]))
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        return None  # a terminal of the wrong size is no reason to end anything


def written(response: pb.ExecResponse) -> list[bytes]:
    """The messages that tell a client what the program says, and how it ended."""
    out = []
    if response.stdout:
        out.append(bytes((STDOUT,)) + response.stdout)
    if response.stderr:
        out.append(bytes((STDERR,)) + response.stderr)
    if response.HasField("exitCode"):
        out.append(bytes((ENDED,)) + orjson.dumps(ended(response.exitCode)))
    return out


def ended(code: int) -> dict[str, Any]:
    """The Status from which kubectl takes its own exit code."""
    if code == 0:
        return failures.success()
    return {
        **failures.success(),
        "status": "Failure",
        "reason": "NonZeroExitCode",
        "message": f"command terminated with non-zero exit code: exit status {code}",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }


def failed(error: ApiError) -> bytes:
    return bytes((ENDED,)) + orjson.dumps(failures.status(error))
