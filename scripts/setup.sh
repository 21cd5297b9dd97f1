#!/usr/bin/env bash
# Makes this machine able to run Helmling: Python, .venv with the package in it, and the programs it works with.
#
#   scripts/setup.sh [--dev] [--bench] [--without-engine]
#
#   --dev              also what the tests and linters need
#   --bench            also what `make bench` compares with
#   --without-engine   go on without the programs that only real containers need
#
# It may be run at any time and does only what is left to do. As root on Debian and Ubuntu it installs what is
# missing; elsewhere it says what to install. What is there is never replaced or upgraded: any dockerd will do.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin   # `su` without `-` leaves root with a user's PATH

dev='' bench='' without_engine=''
for argument in "$@"; do
  case $argument in
    --dev) dev=yes ;;
    --bench) bench=yes ;;
    --without-engine) without_engine=yes ;;
    *) echo "usage: scripts/setup.sh [--dev] [--bench] [--without-engine]" >&2; exit 2 ;;
  esac
done

say()  { echo "setup: $*"; }
fail() { echo "setup: $*" >&2; exit 1; }
has()  { command -v "$1" >/dev/null; }

# ------------------------------------------------------------------ packages
can_install() { [[ $EUID == 0 ]] && has apt-get; }

# Networks hiccup and other package managers hold the lock; neither lasts.
apt() {
  local try
  for try in 1 2 3 4; do
    DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@" >"$log" 2>&1 && return
    [[ $try == 4 ]] || sleep $((try * 3))
  done
  return 1
}

# Installing a package also starts its service. We want Docker's where systemd will look after it, and no other.
quietly() {
  local policy=/usr/sbin/policy-rc.d status=0
  if [[ -e $policy ]]; then "$@"; return; fi
  { echo '#!/bin/sh'
    [[ -d /run/systemd/system ]] && echo 'case $1 in docker*|containerd*) exit 0;; esac'
    echo 'exit 101'; } >$policy
  chmod 755 $policy
  trap "rm -f $policy" EXIT
  "$@" || status=$?
  rm -f $policy; trap - EXIT
  return $status
}

install_packages() {
  local log; log=$(mktemp)
  say "installing $*"
  apt update || say "apt-get update failed, trying with the package lists that are there"
  quietly apt install --no-install-recommends "$@" || { tail -n 20 "$log" >&2; say "apt-get install failed"; }
  rm -f "$log"
  [[ -d /run/systemd/system ]] || return 0
  [[ " $* " == *" etcd-server "* ]] && systemctl -q disable etcd || true
  [[ " $* " == *" haproxy "* ]] && systemctl -q disable haproxy || true
}

# -------------------------------------------------------------------- python
# The first Python that is new enough; with "venv", only one that can make virtual environments.
find_python() {
  local candidate
  for candidate in python3 python3.{11..15} /usr/bin/python3; do
    if "$candidate" -c "import sys, importlib.util as u
sys.exit(sys.version_info < (3, 11) or ('$1' == 'venv' and not (u.find_spec('venv') and u.find_spec('ensurepip'))))" \
      2>/dev/null; then echo "$candidate"; return; fi
  done
  return 1
}

ensure_python() {
  python=$(find_python venv) && return
  if can_install; then
    # Debian keeps venv in a package of its own, one for each version of Python.
    local found; found=$(find_python any || true)
    install_packages python3 python3-venv
    python=$(find_python venv) && return
    [[ -z $found ]] || install_packages "$("$found" -c 'import sys; print("python3.%d-venv" % sys.version_info[1])')"
    python=$(find_python venv) && return
  fi
  fail "Python 3.11 or later with its venv module is needed. On Debian 12 or Ubuntu 24.04 and later:
  sudo apt-get install python3 python3-venv"
}

# What .venv was made from: if this is what its stamp says, there is nothing to do.
wanted() { { cat pyproject.toml; echo "$PWD $1"; } | sha256sum | cut -d' ' -f1; }

ensure_venv() {
  local extra=${dev:+[dev]} stamp=.venv/helmling-setup
  local installed; installed=$(cat $stamp 2>/dev/null || true)
  if .venv/bin/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    # An environment with the development tools serves for everything.
    [[ $installed == "$(wanted '[dev]')" || $installed == "$(wanted "$extra")" ]] && return
  else
    ensure_python
    say "making .venv with $($python --version)"
    "$python" -m venv --clear .venv
  fi
  say "installing the package into .venv${dev:+, with the tools for development}"
  # compat: a plain path in .venv instead of an import hook, which would cost every command 20 ms.
  .venv/bin/python -m pip install -q --disable-pip-version-check --retries 8 -C editable_mode=compat -e ".$extra" ||
    fail "pip could not install the package. Is the package index reachable?"
  wanted "$extra" >$stamp
}

# ------------------------------------------------------------------ programs
engine_answers() {
  .venv/bin/python -c "import os; from node_agent.engine import DEFAULT_ADDRESS, ask_version
ask_version(os.environ.get('DOCKER_HOST') or DEFAULT_ADDRESS)" 2>/dev/null
}

# The packages of the programs that are not there, one a line.
missing_packages() {
  has dockerd  || engine_answers || echo docker.io
  has nft      || echo nftables
  has ip       || echo iproute2
  has iptables || echo iptables
  has haproxy  || echo haproxy
  [[ -z $dev ]] || has etcd || echo etcd-server
  [[ -z $dev ]] || has kubectl || echo kubernetes-client
  [[ -z $bench ]] || has wrk || echo wrk
  [[ -z $bench ]] || has haproxy || echo haproxy
}

ensure_programs() {
  local missing; mapfile -t missing < <(missing_packages)
  [[ ${#missing[@]} == 0 ]] && return
  if can_install; then
    install_packages "${missing[@]}"
    mapfile -t missing < <(missing_packages)
    [[ ${#missing[@]} == 0 ]] && return
  fi
  echo "setup: not installed: ${missing[*]} (Debian's package names). Install them, as root:
  Debian, Ubuntu:  apt-get install --no-install-recommends ${missing[*]}
  elsewhere:       Docker Engine 20.10 or later (https://docs.docker.com/engine/install/), and your
                   distribution's packages of nftables, iproute2, iptables, haproxy${dev:+, etcd and kubectl}" >&2
  [[ -n $without_engine ]] || exit 1
  say "going on without them: no real containers"
}

ensure_venv
ensure_programs
say "ready"
