"""Addresses and node ports of Services: what there is (ranges.py), what a service holds (claims.py), and how it gets it
in the same transaction that stores it (allocator.py)."""
