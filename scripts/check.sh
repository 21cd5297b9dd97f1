#!/usr/bin/env bash
# All checks that need nothing but the source. Each one runs, so that one run shows everything there is to mend.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
PATH=$PWD/.venv/bin:$PATH
failed=''

check() {
  local name=$1; shift
  printf '%-14s' "$name"
  if output=$("$@" 2>&1); then echo ok; else echo FAILED; echo "$output"; failed="$failed $name"; fi
}

# What proto/generate.py would write is what is there; otherwise it now is, for you to look at and commit.
generated() {
  local before after
  before=$(fingerprint) && python proto/generate.py && after=$(fingerprint) || return 1
  [[ $before == "$after" ]] || { echo "generated code was out of date; look at: git diff proto/"; return 1; }
}
fingerprint() { find proto -type f -not -path '*/__pycache__/*' -print0 | sort -z | xargs -0 sha256sum; }

check ruff         ruff check .
check format       ruff format --check .
check mypy         mypy
check imports      lint-imports
check generated    generated

[[ -z $failed ]] || { echo "make check failed:$failed" >&2; exit 1; }
