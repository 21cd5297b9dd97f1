"""DaemonSet: one pod on every node that its template may run on (S#75).

Which nodes these are is a question about the nodes: labels, taints, names. So the controller looks at each node and not
at a number. It does not place pods itself, though. It makes each pod for one node, says so in the pod's affinity, and
leaves the rest to the scheduler, which alone knows what has room where; a pod for a node that is full waits like any
other. Read in this order:

    template.py     the pod for a node, with what every daemon puts up with; and for which node a pod is
    nodes.py        which nodes should run it, which may go on
    sites.py        nodes and pods brought together: what stands where
    settle.py       one pod per node: make the missing, end the surplus, the failed and the lost
    rollout.py      the next step from an old template to the new one, within its bounds
    plan.py         the two as a whole
    backoff.py      how long a pod that failed is left alone
    status.py       what the DaemonSet reports
    main.py         the hands
"""
