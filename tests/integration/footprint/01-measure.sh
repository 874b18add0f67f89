"$ROOT/tests/bench/run.sh" --check footprint
