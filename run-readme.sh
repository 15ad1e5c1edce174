#!/usr/bin/env bash
# Run every command that the README shows in a `sh` block, except the make targets, which CI runs by themselves.
set -euo pipefail
cd "$(dirname "$0")"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
awk '/^```sh$/ {inside = 1; next} /^```$/ {inside = 0} inside' README.md | grep -v '^make ' |
    while IFS= read -r command; do
        printf '$ %s\n' "$command"
        case $command in
        export\ *) ;;
        *) DAGSTER_HOME=$PWD bash -c "$command" </dev/null >"$log" 2>&1 || {
            cat "$log"
            exit 1
        } ;;
        esac
    done
echo 'every command of the README ran'
