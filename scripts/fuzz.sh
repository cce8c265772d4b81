#!/bin/sh
# Runs every fuzz target for so many seconds each, two packages at a time.
#
#   scripts/fuzz.sh [SECONDS] [PACKAGE...]
#
# Little time is given to making what is interesting shorter: by itself Go spends a minute on each.
# What it finds is written by Go into testdata/fuzz of the package; keep it there only if it tells a story.
set -eu
cd "$(dirname "$0")/.."

seconds=${1:-30}
[ $# -eq 0 ] || shift
if [ $# -eq 0 ]; then
	# Only packages that have a target are compiled.
	set -- $(grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n1 dirname | sort -u)
fi

one='
set -eu
seconds=$1 package=$2 failed=0
for target in $(go test -list "^Fuzz" "$package" | grep "^Fuzz"); do
	if said=$(go test -run "^$" -fuzz "^$target\$" -fuzztime "${seconds}s" -fuzzminimizetime 20x -parallel 1 -timeout "$((seconds * 2 + 300))s" "$package" 2>&1); then
		printf "ok    %-32s %-36s %s\n" "$package" "$target" "$(printf "%s\n" "$said" | sed -n "s/.*execs: \([0-9]*\).*/\1 runs/p" | tail -1)"
	else
		printf "FAIL  %-32s %s\n%s\n" "$package" "$target" "$said"
		failed=1
	fi
done
exit $failed'

printf '%s\n' "$@" | xargs -P 2 -I '{}' sh -c "$one" fuzz "$seconds" '{}'
