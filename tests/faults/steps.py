"""The steps of the commit protocol that a fault can be asked for by name."""

from tests.faults.fault import Fault

STEPS = {
    "the tokenizer is written and has no name": Fault(op="rename", path="out/tokenizer.json"),
    "its config is": Fault(op="rename", path="out/tokenizer_config.json"),
    "the output's config is": Fault(op="rename", path="out/_run/config.json"),
    "the plan is": Fault(op="rename", path="out/_run/plan.jsonl"),
    "the notes of the inputs are": Fault(op="rename", path="out/_run/inputs.jsonl"),
    "a shard is half written": Fault(op="write", path="out/documents/*", nth=3),
    "a shard is written and has no name": Fault(op="rename", path="out/documents/*"),
    "a shard has a name that is not synced": Fault(op="fsync", path="out/episodes/train"),
    "what is rejected is written and has no name": Fault(op="rename", path="out/rejected/*"),
    "a piece is written and not noted": Fault(op="create", path="out/_run/pieces/*"),
    "the notes of a piece are written and have no name": Fault(
        op="rename", path="out/_run/pieces/*", nth=2
    ),
    "shards are there and have no record": Fault(op="create", path="out/_chunks/*"),
    "the record is written and has no name": Fault(op="rename", path="out/_chunks/*"),
    "the record has a name that is not synced": Fault(op="fsync", path="out/_chunks"),
    "all records are there, and notes of pieces": Fault(op="unlink", path="out/_run/pieces/*"),
    "all records are there and no card is": Fault(op="create", path="out/.README.md.*", nth=2),
    "the card is written and has no name": Fault(op="rename", path="out/README.md", nth=2),
    "the card is there and no manifest is": Fault(op="create", path="out/.manifest.json.*"),
    "the manifest is written and has no name": Fault(op="rename", path="out/manifest.json"),
}
"""The steps of the protocol, in order: at which a crash comes."""

UPDATE_STEPS = {
    "the old manifest is there": Fault(op="unlink", path="out/manifest.json"),
    "the card says that it is not finished": Fault(op="fsync", path="out", nth=2),
    "a record is there": Fault(op="unlink", path="out/_chunks/*"),
    "the record is gone and its shards are there": Fault(op="unlink", path="out/documents/*"),
    "the shards are gone and the notes of the inputs are old": Fault(
        op="rename", path="out/_run/inputs*.jsonl"
    ),
    "the notes are new and the record is not there": Fault(op="rename", path="out/_chunks/*"),
}
"""What an update or a repair takes back and makes again, in order."""

FINISH_STEPS = {
    "no card is": Fault(op="create", path="out/.README.md.*"),
    "the card is written and has no name": Fault(op="rename", path="out/README.md"),
    "the card is there and no manifest is": Fault(op="create", path="out/.manifest.json.*"),
    "the manifest is written and has no name": Fault(op="rename", path="out/manifest.json"),
}
"""What is left when all slices are done, in order."""
