"""grpc without its asyncio half: `import grpc` imports grpc.aio too, 25 of its 100 ms, and we do not use it.

An empty module stands in while grpc is imported, and is taken away again, so that whoever does want grpc.aio
later in the same process (`helmling down`, through the agent) gets the real one.
"""

import os
import sys
from types import ModuleType

os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # what went wrong, we say ourselves

if "grpc" not in sys.modules:
    sys.modules["grpc.aio"] = ModuleType("grpc.aio")
    import grpc

    del sys.modules["grpc.aio"], grpc.aio

import grpc

RpcError = grpc.RpcError
secure_channel = grpc.secure_channel
