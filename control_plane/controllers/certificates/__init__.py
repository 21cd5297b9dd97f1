"""Decides on signing requests where a rule can, and signs those that are approved."""
