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

# Each package is compiled once, and each target is a run of that program in the folder of the package.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

one='
set -eu
seconds=$1 work=$2 package=$3 failed=0
name=$(go list "$package")
bin=$work/$(echo "$name" | tr / -).test
go test -c -fuzz . -o "$bin" "$package"
cd "$package"
for target in $("$bin" -test.list "^Fuzz" | grep "^Fuzz"); do
	if said=$("$bin" -test.run "^$" -test.fuzz "^$target\$" -test.fuzztime "${seconds}s" -test.fuzzminimizetime 20x -test.fuzzcachedir "$(go env GOCACHE)/fuzz/$name" \
		-test.parallel 1 -test.timeout "$((seconds * 2 + 300))s" 2>&1); then
		printf "ok    %-32s %-36s %s\n" "$package" "$target" "$(printf "%s\n" "$said" | sed -n "s/.*execs: \([0-9]*\).*/\1 runs/p" | tail -1)"
	else
		printf "FAIL  %-32s %s\n%s\n" "$package" "$target" "$said"
		failed=1
	fi
done
exit $failed'

printf '%s\n' "$@" | xargs -P 2 -I '{}' sh -c "$one" fuzz "$seconds" "$work" '{}'
