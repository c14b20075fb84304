#!/usr/bin/env bash
# Fuzzes one target with libFuzzer, which is guided by the code that inputs reach, under the address sanitizer.
#
#   Tests/Fuzzing/run.sh TARGET [libFuzzer's options, such as -max_total_time=300]
#
# Inputs that reach something new are kept in .build-fuzzer/corpus/TARGET, those that fail in .build-fuzzer/failures.
set -euo pipefail
root="$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../.." && pwd)"
target="${1:?expected the name of a target; see 'swift run -c release Fuzzing list'}"
shift
scratch="$root/.build-fuzzer"

# libFuzzer brings a `main` of its own; the driver's stays, and calls libFuzzer.
swift build -c release --product Fuzzing --package-path "$root" --scratch-path "$scratch" \
  -Xswiftc -sanitize=fuzzer,address -Xlinker -z -Xlinker muldefs -Xlinker --export-dynamic

corpus="$scratch/corpus/$target"
mkdir -p "$corpus" "$scratch/failures"
[[ -x "$root/.build/release/Fuzzing" ]] && "$root/.build/release/Fuzzing" corpus "$target" "$corpus"
regressions="$root/Tests/Corpus/regressions/$target"
[[ -d "$regressions" ]] && cp "$regressions"/* "$corpus/"
FUZZ_TARGET="$target" ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 exec "$scratch/release/Fuzzing" \
  "$corpus" -artifact_prefix="$scratch/failures/$target-" -max_len=65536 -timeout=60 -rss_limit_mb=4096 \
  -malloc_limit_mb=2048 -max_total_time=120 "$@"
