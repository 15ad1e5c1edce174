#!/usr/bin/env bash
# The main job on the bundled sample, with the same Dagster commands that CI and people use.
set -euo pipefail
cd "$(dirname "$0")"
export DAGSTER_HOME="${DAGSTER_HOME:-$PWD}" OCR_PIPELINE_DATA="${OCR_PIPELINE_DATA:-$PWD/data}"
unset OCR_PIPELINE_RAW OCR_PIPELINE_BENCHMARKS OCR_PIPELINE_SPLIT OCR_PIPELINE_TEACHER_URL OCR_PIPELINE_TEACHER_MODEL
log="$OCR_PIPELINE_DATA/demo.log"
mkdir -p "$OCR_PIPELINE_DATA" && : >"$log"

materialize() {
    local title=$1 start=$SECONDS
    shift
    printf '%-64s' "$title"
    if ! .venv/bin/dagster asset materialize -m ocr_pipeline.definitions "$@" >>"$log" 2>&1; then
        printf 'failed\n'
        tail -n 30 "$log"
        exit 1
    fi
    printf '%3d s\n' $((SECONDS - start))
}

materialize 'problems, tests, solutions, rejected' --select 'key:problems or key:tests or key:solutions or key:rejected' \
    --partition-range 'taco...code_contests'
materialize 'duplicates and contamination' --select 'key:duplicate_pairs or key:unique_problems or key:contamination or key:clean_problems'
materialize 'trust in the tests' --select 'key:test_trust' --partition-range 'taco...code_contests'
for dataset in taco apps code_contests; do
    materialize "teacher, samples, executions, data set: $dataset" \
        --select 'key:responses or key:samples or key:executions or key:reasoning_patterns or key:sft_dataset' \
        --partition-range "$dataset|python...$dataset|cpp"
done
materialize 'solution plans' --select 'key:plans or key:plan_sft_dataset' --partition-range 'taco...code_contests'
materialize 'funnel and data card' --select 'key:funnel or key:data_card'

echo
.venv/bin/ocr-pipeline funnel --data "$OCR_PIPELINE_DATA"
cat <<END

The data set:   $OCR_PIPELINE_DATA/sft_dataset    (Parquet; its card: $OCR_PIPELINE_DATA/data_card/README.md)
Why a row is gone: .venv/bin/ocr-pipeline explain PROBLEM_OR_SAMPLE_ID
The web page:   make ui, then http://localhost:3000
END
