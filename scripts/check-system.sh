#!/bin/sh
# Checks what the system must have before anything is installed; prints one apt line for all that is missing.
# Usage: check-system.sh PYTHON
set -u
python=$1
missing=""
problem=""

if ! command -v "$python" >/dev/null 2>&1; then
    missing="$missing python3 python3-venv"
elif ! "$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))'; then
    problem="$python is $("$python" --version 2>&1); Python 3.11, 3.12 or 3.13 is needed: name one with PYTHON=/path/to/python3.x"
elif ! command -v uv >/dev/null 2>&1 && ! "$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then
    missing="$missing python3-venv"
fi
command -v curl >/dev/null 2>&1 || missing="$missing curl"
# LightGBM's wheel links to the system's OpenMP runtime.
if ! PATH="$PATH:/sbin:/usr/sbin" ldconfig -p 2>/dev/null | grep -q 'libgomp\.so\.1'; then
    missing="$missing libgomp1"
fi

if [ -n "$problem" ]; then
    echo "error: $problem" >&2
    exit 1
fi
if [ -n "$missing" ]; then
    echo "error: this system lacks:$missing" >&2
    echo "run once, then repeat:  sudo apt-get install -y$missing" >&2
    exit 1
fi
