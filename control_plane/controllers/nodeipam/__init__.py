"""Gives every node a part of the cluster's range of pod addresses.

    allocation.py   which part is whose
    main.py         the hands

A part is written into the node's spec once and never changed: pods have its addresses. What the objects say is all that
there is to know, so a controller that starts anew reads the nodes and goes on. A node that brings a range of its own
(`helmling agent --pod-cidr`) keeps it, and nobody else gets any of it.
"""
