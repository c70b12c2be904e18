#!/bin/sh
# The main job on real text. Called by `make demo`, which sets BIN and CORPUS.
set -eu
if [ "$CORPUS" = demo/corpus ]; then OUT=demo/shards; else OUT=demo/shards-$(basename "$CORPUS"); fi
duologue() {
    printf '\n$ duologue %s\n' "$*"
    "$BIN/duologue" "$@"
}

mkdir -p demo
if [ "$CORPUS" = demo/corpus ]; then
    duologue sample-corpus "$CORPUS"
fi
# A few of the corpus's bytes may be damaged: exit 3 says so, and is no reason to stop.
code=0
duologue prepare "$CORPUS" --out "$OUT" --tokenizer train:8192 --delimiters tags \
    --chunk-bytes 2000000 --update || code=$?
case $code in
0) ;;
3) echo "some inputs were damaged or rejected: see $OUT/rejected; the rest was prepared" ;;
*) exit "$code" ;;
esac
duologue verify "$OUT"
duologue inspect "$OUT" --rows 3 || echo "no rows to show in the train split"
cat <<END

shards: $OUT
load:   $BIN/python -c 'import datasets; print(datasets.load_dataset("$OUT", "episodes"))'
END
