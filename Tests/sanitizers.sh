#!/usr/bin/env bash
# Runs the tests under the address and the thread sanitizer, each in a build of its own (.build-address, .build-thread).
#
#   Tests/sanitizers.sh [address|thread] [FILTER…]
#
# Without FILTERs the tests of the modules run, all but the simulator's. A first build takes a quarter of an hour.
set -euo pipefail
root="$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)"

kinds=(address thread)
if [[ "${1:-}" == address || "${1:-}" == thread ]]; then
  kinds=("$1")
  shift
fi
targets=("$@")
if ((${#targets[@]} == 0)); then
  targets=(Columnar Formats SQL Expressions Operators Checkpointing Runtime Actors Ingest Sinks Parquet Iceberg App)
  targets=("${targets[@]/%/Tests}")
fi

# Some tests start the binary. `./weir test` must have run once: it installs the independent readers.
"$root/weir" --version >&2
export WEIR_BINARY="$root/.build/release/weir" AWS_EC2_METADATA_DISABLED=true
export WEIR_JUDGES_PYTHON="${WEIR_JUDGES_PYTHON:-$root/.build/judges/python/bin/python}"
export WEIR_JUDGES_JAVA_PYTHON="${WEIR_JUDGES_JAVA_PYTHON:-$root/.build/judges/java/bin/python}"

failed=0
for kind in "${kinds[@]}"; do
  scratch="$root/.build-$kind"
  swift build --package-path "$root" --build-tests --sanitize="$kind" --scratch-path "$scratch"
  preload=
  if [[ "$kind" == thread ]]; then
    preload="$scratch/annotations.so"
    clang -O1 -shared -fPIC -o "$preload" "$root/Tests/Sanitizers/annotations.c"
  fi
  for target in "${targets[@]}"; do
    echo "=== $kind sanitizer: $target"
    # Leaks are not looked for: Swift keeps what it knows of types, and C libraries their caches, until the end.
    if ! (
      cd "$root"
      export ASAN_OPTIONS=detect_leaks=0
      export TSAN_OPTIONS="halt_on_error=0 exitcode=66 history_size=4 suppressions=$root/Tests/Sanitizers/suppressions.txt"
      LD_PRELOAD="$preload" "$scratch/debug/weirPackageTests.xctest" --testing-library swift-testing --filter "^$target"
    ); then
      failed=1
      echo "=== $kind sanitizer: $target FAILED" >&2
    fi
  done
done
exit "$failed"
