"""What Kubernetes' controller manager is told by flags; here as there, hardly anybody changes them."""

from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction


@dataclass(frozen=True)
class Options:
    sync: float = 15.0  # seconds between two looks at the same autoscaler
    tolerance: Fraction = Fraction(1, 10)  # so far from the target nothing is done
    downscale_stabilization: timedelta = timedelta(minutes=5)
    cpu_initialization: timedelta = timedelta(minutes=5)
    initial_readiness_delay: timedelta = timedelta(seconds=30)


USUAL = Options()
