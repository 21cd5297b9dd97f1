"""What becomes of a node that says nothing any more (4f).

    times.py    how long to wait, and how fast to act
    health.py   when a node was last heard of, and what is written into its status when that was too long ago
    taints.py   the taints that follow from a node's conditions
    zones.py    how many nodes of a zone fail at once, and how fast taints may spread there
    main.py     the hands

A node lives as long as its lease is renewed or its status is posted. Silence has consequences in three steps, each of
them a fact in the API that others act on: the node's conditions become Unknown, and its pods not ready, so that nobody
is sent to them; two taints appear, of which NoSchedule keeps new pods away; NoExecute starts the clock of
tolerationSeconds (controllers/tainteviction), at the end of which its pods are deleted and made elsewhere.

The third step is the dangerous one, because the pods may be well and only the wire be cut. So it is taken slowly, one
node in ten seconds; and where most nodes of a zone fall silent at once, more slowly still or not at all: then it is
more likely that we are the ones who were cut off.
"""
