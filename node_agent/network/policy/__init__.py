"""NetworkPolicies on one node: who may talk to its pods, and to whom these may, as rules of the kernel's firewall."""
