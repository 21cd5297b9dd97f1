"""Whom NetworkPolicies mean by their peers: the addresses behind the selectors, kept in PeerSlices (S#91)."""
