"""Rolling out when a ConfigMap or Secret changes, for workloads that ask for it.

    plan.py    what has changed since the last look, and whether that is a reason to begin anew
    main.py    the hands

Files follow a change by themselves; environment variables, subPaths and programs that read their files once do not.
Kubernetes leaves the rest to the user, who runs `rollout restart` or puts a hash into the template by hand; an answer
has been asked for since 2016 (kubernetes#22368). With the annotation `helmling.dev/restart-on-config-change: "true"` on
a Deployment, StatefulSet or DaemonSet this controller does what the user would do: it changes an annotation of the
template, and the workload's own strategy does the rest.
"""
