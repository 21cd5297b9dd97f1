#!/usr/bin/env bash
# The images that the tests run, then the tests. Needs an engine: see scripts/with_engine.py.
#
# Several processes share the tests, file by file and in order: while one waits for containers, another computes.
# `-n0` (make test ARGS=-n0) is for a debugger: one process, one test after the other.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
unset PYTHONDONTWRITEBYTECODE  # hundreds of processes are started, and need not compile what they import each time
.venv/bin/python -m node_agent.images
workers=$(($(nproc) + 1))
exec .venv/bin/python -m pytest -n $((workers < 6 ? workers : 6)) --dist=loadfile --no-loadscope-reorder "$@"
