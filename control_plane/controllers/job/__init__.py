"""Job: runs pods until enough of them have succeeded (S#76-S#79, 4e).

account.py   which pods have ended and how, so that none is counted twice and none is forgotten
policy.py    what a single failure means: podFailurePolicy, and failures per index
verdict.py   whether the Job is over, and why
plan.py      how many pods to make and which to end
pods.py      a Job's pod: its name, its index, its finalizer
indexes.py   sets of indexes in short: "1,3-5"
main.py      reads, asks the others, writes

All but main.py is pure. Kubernetes: https://kubernetes.io/docs/concepts/workloads/controllers/job/
"""
