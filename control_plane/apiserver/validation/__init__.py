"""What is wrong with an object: all of it, at once, in Kubernetes' words (S#3).

    formats.py     the shapes of strings: names, addresses, paths
    schema.py      the rules that hang on single fields in proto/v1, for every message alike
    meta.py        names, labels, owners, finalizers: the same for all kinds
    pod.py, …      what holds between several fields of one kind

Nothing here raises and nothing changes an object. A path is `spec.containers[0].image`.
"""
