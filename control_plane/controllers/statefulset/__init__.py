"""StatefulSet: pods with names of their own, web-0, web-1, …, made in order and ended in reverse (S#72-S#74).

A ReplicaSet's pods are interchangeable; these are not. Whatever is called web-1 is the only web-1: the next one is made
when the one before is gone from the API, not when it has been told to go. A node that is cut off therefore keeps its
pods' names until it is back, or until somebody swears that it is dead (a delete with `--force`), for only he can know.

Most of what a StatefulSet does is to wait. With OrderedReady it takes one step at a time, and only when all pods before
that step are ready and (minReadySeconds) available. That has a trap, which Kubernetes has too: a template whose pods
never become ready stops the rollout at its first pod, and the repaired template waits for that pod as well. Whoever
goes back has to delete the broken pod himself.

    identity.py     names, ordinals, labels; the pod of an ordinal
    status.py       the numbers that are reported
    update.py       which pods have to make room for the new template
    plan.py         one step as a whole
    main.py         the hands
"""
