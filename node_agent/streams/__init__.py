"""Streams into pods: logs, exec, attach, port-forward; what the API server passes on to the agent of a pod's node."""
