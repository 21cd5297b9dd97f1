"""HorizontalPodAutoscaler: as many pods as the load needs (S#99, S#100).

Every 15 seconds: how much do the pods use, how much should each, so how many are needed? Everything else is caution, so
that pods which have just begun, or which nobody has measured, and a load that comes and goes do not lead it astray.
Read in this order:

    usage.py     what each pod uses, and what it requests
    pods.py      whose use counts: ready, not ready yet, not measured, ending
    replicas.py  from use and target to a number of pods
    metrics.py   all metrics of an autoscaler together: the largest number counts
    memory.py    recent recommendations and changes; how they hold back a new one
    limits.py    fewest and most, and how far in how many seconds
    decide.py    one decision as a whole, with its reasons
    main.py      the hands

The numbers and sentences are those of Kubernetes' pkg/controller/podautoscaler. All arithmetic is exact: 10 pods and
10 percent are 11, and not, for a rounding error of binary fractions, 12.
"""
