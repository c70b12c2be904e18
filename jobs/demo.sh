#!/bin/sh
# The main job on real text, then the experiment on it. Called by `make demo`, which sets BIN and
# CORPUS. A corpus that is too small for the experiment ends with its shards.
set -eu
case $CORPUS in
demo/corpus) OUT=demo/shards ;;
# Two folders of one name are two corpora.
*) OUT=demo/shards-$(basename "$CORPUS")-$(printf %s "$CORPUS" | cksum | cut -d' ' -f1) ;;
esac
duologue() {
    printf '\n$ duologue %s\n' "$*"
    "$BIN/duologue" "$@"
}
# What was damaged or failed is said; exit 3 is no reason to stop.
goes_on_after_3() {
    code=0
    "$@" || code=$?
    case $code in
    0) ;;
    3) echo "some inputs were damaged, or some runs failed: named above; the rest is done" ;;
    *) return "$code" ;;
    esac
}

mkdir -p demo
if [ "$CORPUS" = demo/corpus ]; then
    duologue sample-corpus "$CORPUS"
fi
# A tenth of the sources each for validation and test: answers of 20 test sources are needed.
goes_on_after_3 duologue prepare "$CORPUS" --out "$OUT" --tokenizer train:4096 --delimiters tags \
    --chunk-bytes 2000000 --holdout 0.1 --update
duologue verify "$OUT"
duologue inspect "$OUT" --rows 3 || echo "no rows to show in the train split"

# A comparison is of one state of a corpus: made again it goes on, of another it is another.
RESULTS=demo/comparison-$(cksum <"$OUT/manifest.json" | cut -d' ' -f1)
compare() {
    duologue compare "$OUT" --out "$RESULTS" --arms raw,tags,placebo --model 1m --context 256 \
        --steps 40 --batch-rows 16 --micro-rows 8 --learning-rate 0.006 "$@"
}
if plan=$(compare --plan 2>&1); then
    printf '%s\n' "$plan"
    goes_on_after_3 compare
    report="report: $RESULTS/report.html"
else
    report="no report, $(printf '%s\n' "$plan" | tail -n 1)"
fi
cat <<END

load:   $BIN/python -c 'import datasets; print(datasets.load_dataset("$OUT", "episodes"))'
$report
shards: $OUT
END
