"""PodDisruptionBudgets: how many pods of an application may be taken away at this moment (S#101).

    plan.py    counts, and the status that follows from them
    scale.py   how many pods an application should have: asked of whatever makes them
    main.py    the hands

A budget is a number that is counted here and spent elsewhere (apiserver/eviction.py), so its status is written only on
the base of the version that was read: when an eviction has taken one off meanwhile, everything is counted anew. An
evicted pod is remembered in `disruptedPods` until the cache shows that it ends, for it must not be counted as healthy
in between; if it never ends, the grant is given back after two minutes.
"""
