"""Kubernetes' HTTP API over the same server: what kubectl, and every client library, speaks.

It is a dialect and nothing more. A request is read (paths.py, parameters.py, bodies.py), becomes the very message
that a gRPC client would have sent, goes through the same authentication, gate, trail and verbs
(apiserver/service.py), and its answer is written as JSON (objects.py, rows.py, watching.py, failures.py). No rule of
the API is decided in here.
"""
