"""Addresses for the pods of a test's cluster: no other test's, nor those that a user's own cluster has by default."""

import itertools
import os

_numbers = itertools.count()
WHOLE = f"10.{101 + os.getpid() % 100}.0.0/16"  # each process has one: several may pass tests at the same time


def pod_range() -> str:
    """A /24 that this process did not give out lately."""
    return WHOLE.replace("0.0/16", f"{next(_numbers) % 256}.0/24")


def service_range() -> str:
    """The same for services."""
    return f"10.{201 + os.getpid() % 50}.{next(_numbers) % 256}.0/24"
