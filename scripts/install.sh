#!/bin/sh
# Creates .venv from a pinned requirements file. Usage: install.sh PYTHON REQUIREMENTS_NAME
# uv if present, else venv + pip; the file is complete, so nothing is resolved again. A stamp that names the inputs makes the second run a no-op.
set -eu
python=$1
name=$2
requirements="requirements/$name.txt"
wanted=$(cat "$requirements" pyproject.toml | sha256sum | cut -d ' ' -f 1)
stamp=".venv/.installed-$name"
if [ -x .venv/bin/creditctl ] && [ "$(cat "$stamp" 2>/dev/null || true)" = "$wanted" ]; then
    exit 0
fi
echo "installing $requirements into .venv (once)" >&2
if command -v uv >/dev/null 2>&1; then
    [ -x .venv/bin/python ] || uv venv --quiet --python "$python" .venv
    uv pip install --quiet --no-config --python .venv/bin/python --no-deps --require-hashes -r "$requirements"
    uv pip install --quiet --no-config --python .venv/bin/python --no-deps --no-build-isolation --editable .
else
    [ -x .venv/bin/pip ] || "$python" -m venv --clear .venv
    .venv/bin/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r "$requirements"
    .venv/bin/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
fi
rm -f .venv/.installed-*
echo "$wanted" >"$stamp"
