"""Addresses for the pods of a test's cluster: no other test's, nor those that a user's own cluster has by default."""

import itertools
import os

_numbers = itertools.count()
WHOLE = f"10.{101 + os.getpid() % 100}.0.0/16"  # each process has one: several may pass tests at the same time


SERVICES = f"10.{1 + os.getpid() % 95}.0.0/16"


def service_range() -> str:
    """A /24 for the Services of a cluster, that this process did not give out lately."""
    return SERVICES.replace("0.0/16", f"{next(_numbers) % 256}.0/24")


def pod_range() -> str:
    """A /24 that this process did not give out lately."""
    return WHOLE.replace("0.0/16", f"{next(_numbers) % 256}.0/24")
