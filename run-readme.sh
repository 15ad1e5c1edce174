#!/usr/bin/env bash
# Run every command that the README shows in a `sh` block, except the make targets, which CI runs by themselves.
# Its folder `mine` is a temporary one here, so that nobody's own data is touched.
# What it exports holds for the commands below it; what ends in & runs until the end, and is waited for at its --port.
set -euo pipefail
cd "$(dirname "$0")"
export DAGSTER_HOME=$PWD
work=$(mktemp -d) log=$(mktemp) servers=()
trap 'kill "${servers[@]}" 2>/dev/null || true; rm -rf "$log" "$work"' EXIT

is_listening() { (: <"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

mapfile -t commands < <(awk '/^```sh$/ {inside = 1; next} /^```$/ {inside = 0} inside' README.md | grep -v '^make ')
for command in "${commands[@]}"; do
    printf '$ %s\n' "$command"
    command=${command//'$PWD/mine'/$work}
    command=${command// mine\// $work/}
    case $command in
    export\ *) eval "$command" ;;
    *\ \&)
        bash -c "exec ${command%&}" </dev/null >/dev/null 2>&1 &
        servers+=($!)
        port=${command#*--port }
        for _ in {1..300}; do is_listening "${port%% *}" && break || sleep 0.2; done
        ;;
    *) bash -c "$command" </dev/null >"$log" 2>&1 || {
        cat "$log"
        exit 1
    } ;;
    esac
done
echo 'every command of the README ran'
