"""ReplicaSet: keeps N pods alive. `plan.py` decides, `main.py` acts (S#65, S#22, S#113).

Too few pods: new ones are made from the template, first one, then two, four, eight, so that a template which the
server refuses costs a few refusals and not five hundred. Too many: those go first whose loss hurts least. Pods are
named `<set>-<five letters>`, as in Kubernetes, but the letters are drawn here and not by the server: the ledger says
why, and what keeps a stale cache from leading to a pod too many.

A pod that has ended for good, or has been told to end, is no replica any more: its successor does not wait for it.
"""
