#!/usr/bin/env bash
# The images that the tests run, then the tests. Needs an engine: see scripts/with_engine.py.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
.venv/bin/python -m node_agent.images
exec .venv/bin/python -m pytest "$@"
