"""NoExecute: pods that do not tolerate a taint leave its node (S#54, 4f).

Whoever sets the taint, and for whatever reason: the node controller because the node is silent, or a person. A pod that
tolerates it for so many seconds stays that long, and for ever if the taint is gone by then. No budget is asked: the
node is no place to be.
"""
