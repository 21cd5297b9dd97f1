"""Who may do what: decided in front of every verb, from rules, bindings and what runs where.

    a request ── gate ── Authorizer ┬─ system:masters: everything
                                    ├─ nodes.py: a node, what its own pods need
                                    └─ roles.py: rules that bindings give to users and groups

    a write ──── guards ┬─ escalation.py: nobody hands on rights that he does not have
                        └─ restriction.py: a node writes about itself

The decisions are pure functions over an index; the index follows the watch cache, so a decision costs a lookup and no
question to the store. What runs inside of the control plane does not come through the gate.
"""
