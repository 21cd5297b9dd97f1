"""Names for services and pods: a name server on every node, which its pods ask.

Read in this order: index.py (what is known), zone.py (what is answered), wire.py and encoding.py (how it is said),
upstream.py (everybody else's names), server.py (where it is heard), nameserver.py (the whole, kept running).

https://github.com/kubernetes/dns/blob/master/docs/specification.md is the contract for names.
"""
