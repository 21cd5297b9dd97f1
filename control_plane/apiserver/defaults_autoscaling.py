"""What a HorizontalPodAutoscaler means when it does not say (S#17, S#99, S#100).

A `behavior` that is not there stays away; one that names a field gets all others.
https://kubernetes.io/docs/concepts/workloads/autoscaling/horizontal-pod-autoscale/#default-behavior
"""

from control_plane.apiserver.defaults import default_fields, default_type
from proto.v1.policy_pb2 import HorizontalPodAutoscaler, HPAScalingPolicy, HPAScalingRules

CPU_PERCENT = 80  # of what the pods request
FEWEST = 1
PERIOD = 15  # seconds
UP = (
    HPAScalingPolicy(type="Pods", value=4, periodSeconds=PERIOD),
    HPAScalingPolicy(type="Percent", value=100, periodSeconds=PERIOD),
)
DOWN = (HPAScalingPolicy(type="Percent", value=100, periodSeconds=PERIOD),)


def default_autoscaler(hpa: HorizontalPodAutoscaler) -> None:
    default_type(hpa)
    spec = hpa.spec
    default_fields(spec, minReplicas=FEWEST)
    if not spec.metrics:
        cpu = spec.metrics.add(type="Resource").resource
        cpu.name, cpu.target.type = "cpu", "Utilization"
        cpu.target.averageUtilization = CPU_PERCENT
    if spec.HasField("behavior"):
        _default_rules(spec.behavior.scaleUp, UP)
        _default_rules(spec.behavior.scaleDown, DOWN)
        default_fields(spec.behavior.scaleUp, stabilizationWindowSeconds=0)
        # Downwards it stays unset: how long that is, the controller has been told (300 s).


def _default_rules(rules: HPAScalingRules, policies: tuple[HPAScalingPolicy, ...]) -> None:
    rules.selectPolicy = rules.selectPolicy or "Max"
    if not rules.policies:
        rules.policies.extend(policies)
