"""The way in for HTTP: from Ingresses to the configuration of an HAProxy on this node, and its life (S#90)."""
