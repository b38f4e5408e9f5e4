#!/bin/sh
# Compiles pyproject.toml into pinned, hashed requirements without any download address: one file for
# development, one for a whole platform, one per image; the development file fixes the versions of all.
# UPGRADE=1 takes newer versions.
set -eu
export PATH="$PWD/.venv/bin:$PATH"
compile() {
    out=$1
    shift
    uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
        --no-header --no-annotate pyproject.toml --output-file "requirements/$out.txt" "$@"
}
compile dev --all-extras ${UPGRADE:+--upgrade}
compile platform --extra serving --extra training --extra monitoring --extra build --constraint requirements/dev.txt
for image in serving training monitoring dashboard; do
    compile "$image" --extra "$image" --constraint requirements/dev.txt
done
