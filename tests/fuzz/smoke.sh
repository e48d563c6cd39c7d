#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# smoke.sh PROGRAM CORPUS SHARE: a short libFuzzer run that starts from the committed corpus and finds into a folder of
# the build. WEIR_FUZZ_SECONDS (default 60) says how long in all; it runs for the SHARE-th
# part of that. A crash leaves its input beside the program; its usual exit code, 77, would count as skipped.
set -eu
program=$1 corpus=$2 seconds=$((${WEIR_FUZZ_SECONDS:-60} / $3))
found=$program.found
mkdir -p "$found"
exec "$program" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=3072 -max_len=65536 \
  -error_exitcode=1 -print_final_stats=1 -artifact_prefix="$program." "$found" "$corpus"
