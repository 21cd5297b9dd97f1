"""What `describe` says about a PodDisruptionBudget."""

from cli.describe.budget import describe_budget
from tests.manifests import created


def test_a_budget() -> None:
    made = created("PodDisruptionBudget", {"metadata": {"labels": {"team": "shop"}}})
    status = made.status
    status.disruptionsAllowed, status.currentHealthy, status.desiredHealthy = 1, 2, 1
    status.expectedPods = 3
    status.disruptedPods["web-b"].seconds = status.disruptedPods["web-a"].seconds = 1
    status.conditions.add(type="DisruptionAllowed", status="True", reason="SufficientPods")
    assert "\n".join(describe_budget(made)) == (
        """\
Name:           web
Namespace:      default
Labels:         team=shop
Annotations:    <none>
Min available:  1
Selector:       app=web
Status:
  Allowed disruptions:  1
  Current:              2
  Desired:              1
  Total:                3
  Being evicted:        web-a
                        web-b
Conditions:
  Type                Status   Reason
  ----                ------   ------
  DisruptionAllowed   True     SufficientPods"""
    )


def test_a_budget_that_guards_nothing() -> None:
    change = {
        "minAvailable": None,
        "maxUnavailable": "25%",
        "selector": None,
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
    }
    told = describe_budget(created("PodDisruptionBudget", {"spec": change}))
    assert "Max unavailable:  25%" in told
    assert "Unhealthy pods:   AlwaysAllow" in told
    assert "Selector:         <unset>" in told
