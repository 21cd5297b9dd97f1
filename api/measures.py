"""How measured use is written: by agents, for whoever reads PodMetrics and NodeMetrics.

The forms are those of Kubernetes' metrics server: cpu in cores with nine places ("1250m", "3141592n"), memory in bytes
("2048Ki"), the window as a duration in seconds ("15.032s").
"""

from functools import lru_cache

from api.quantity import NANO, Quantity

CPU, MEMORY = "cpu", "memory"


def usage(nanocores: int, memory: int) -> dict[str, str]:
    """`memory` is in bytes."""
    return {CPU: _cores(nanocores), MEMORY: _bytes(memory)}


@lru_cache(maxsize=4096)  # most pods are idle, and alike
def _cores(nanocores: int) -> str:
    return str(Quantity(nanocores))


@lru_cache(maxsize=4096)
def _bytes(memory: int) -> str:
    return str(Quantity(memory * NANO, "binary"))


def window(seconds: float) -> str:
    return f"{seconds:.3f}".rstrip("0").rstrip(".") + "s"


def window_seconds(text: str) -> float:
    """Raises ValueError."""
    return float(text.removesuffix("s"))
