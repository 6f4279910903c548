#!/usr/bin/env bash
# The pipeline `distill` as an Airflow DAG, run twice by a real Airflow; the second time nothing is
# made. Needs an environment with this project, kedro-airflow and apache-airflow; some minutes.
#
#   python -m venv airflow-env && airflow-env/bin/pip install . kedro-airflow apache-airflow
#   PATH=$PWD/airflow-env/bin:$PATH scripts/try_airflow.sh
set -euo pipefail
project=$(cd "$(dirname "$0")/.." && pwd)
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
cp -r "$project/conf" "$project/pyproject.toml" "$root"
mkdir -p "$root/src" "$root/conf/local"
cat > "$root/conf/local/parameters.yml" <<END
task: {train_rows: 64}
training: {epochs: 1}
student: {layers: 1}
teacher: {training: {epochs: 1}}
run: {store: "$root/data"}
END
cd "$root"
export AIRFLOW_HOME=$root/airflow AIRFLOW__CORE__DAGS_FOLDER=$root/airflow_dags
export AIRFLOW__CORE__LOAD_EXAMPLES=False HF_HUB_OFFLINE=1 DO_NOT_TRACK=1

kedro airflow create --pipelines=distill
airflow db migrate > db.log 2>&1
results() { find data -name manifest.json -printf '%i %p\n' | sort; }
for day in 2026-01-01 2026-01-02; do
    airflow dags test alpkd-pipeline "$day" > "$day.log" 2>&1 || { tail -50 "$day.log"; exit 1; }
    grep -q "DagRun Finished.*state:\?=\?success" "$day.log" || { tail -50 "$day.log"; exit 1; }
    results > "$day.results"
    echo "$day: made $(grep -c '^making ' "$day.log" || true) of $(wc -l < "$day.results") results"
done
cmp 2026-01-01.results 2026-01-02.results && echo "the second run made nothing"
