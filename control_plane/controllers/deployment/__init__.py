"""Deployment: changes running pods without an interruption (S#66-S#71).

A Deployment never touches a pod. It keeps one ReplicaSet for each version of its template and moves replicas from the
old ones to the new one, a few at a time, never leaving its bounds. Read in this order:

    template.py     which ReplicaSet is the new one; the name of one that is made
    bounds.py       how many pods too many, how many too few
    notes.py        what is written down in annotations: revisions, and the size that was asked for
    sizes.py        one step of a rollout, of a Recreate, of a scaling: numbers in, numbers out
    status.py       what the Deployment reports, and whether it gets on
    rollback.py     going back without being told, for those who ask for it
    plan.py         one step as a whole
    main.py         the hands
"""
