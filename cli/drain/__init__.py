"""Emptying a node: `choose` says which pods may be made to go, `progress` follows them until they are gone."""
