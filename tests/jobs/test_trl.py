"""TRL's SFTTrainer, the real one, takes packed rows unchanged and trains on the actions meant."""

import datasets
import pytest
import torch
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM
from trl import SFTConfig, SFTTrainer

from tests.running import duologue, rows_of_shard

CONTEXT = 128
BATCH_ROWS = 3
IGNORED = -100
"""The label of what is not in the loss."""

PLAYERS = {"all": {0, 1, 2}, "player-one": {1}, "player-two": {2}}


@pytest.fixture(scope="module")
def packed(tmp_path_factory, prepared):
    """A function from an objective to a packing of `prepared`."""
    folder = tmp_path_factory.mktemp("packed")

    def make(objective):
        out = folder / objective
        if not out.exists():
            argv = ("--context", CONTEXT, "--objective", objective)
            ran = duologue("pack", prepared, "--out", out, *argv)
            assert ran.code == 0, ran.err
        return out

    return make


@pytest.fixture
def trainer_of(tmp_path):
    """A function from a packing to a trainer of a tiny Llama on it, on the CPU."""

    def make(out):
        tokenizer = AutoTokenizer.from_pretrained(out)
        torch.manual_seed(0)
        model = LlamaForCausalLM(
            LlamaConfig(
                vocab_size=len(tokenizer),
                hidden_size=16,
                intermediate_size=32,
                num_hidden_layers=2,
                num_attention_heads=2,
                num_key_value_heads=2,
                max_position_embeddings=CONTEXT,
                # Large, so that what is attended to shows in the loss.
                initializer_range=0.5,
                bos_token_id=tokenizer.bos_token_id,
                eos_token_id=tokenizer.eos_token_id,
            )
        )
        return SFTTrainer(
            model=model,
            args=SFTConfig(
                output_dir=str(tmp_path / "run"),
                padding_free=True,
                max_length=None,
                max_steps=1,
                per_device_train_batch_size=BATCH_ROWS,
                learning_rate=0.1,
                use_cpu=True,
                bf16=False,
                # Else TRL 1.16 sets what transformers 5.23 warns of.
                activation_checkpointing=False,
                report_to="none",
                save_strategy="no",
                disable_tqdm=True,
            ),
            train_dataset=datasets.load_dataset(
                str(out), split="train", cache_dir=str(tmp_path / "cache")
            ),
            processing_class=tokenizer,
        )

    return make


def documents_of(batch):
    """(ids, labels) of each document of a batch, as lists; one ends where positions restart."""
    ids, labels, positions = (
        batch[name][0].tolist() for name in ("input_ids", "labels", "position_ids")
    )
    starts = [place for place, position in enumerate(positions) if position == 0]
    for start, end in zip(starts, [*starts[1:], len(positions)], strict=True):
        assert positions[start:end] == list(range(end - start))
        yield ids[start:end], labels[start:end]


@pytest.mark.parametrize("objective", list(PLAYERS))
def test_every_action_of_the_objective_is_in_the_labels_and_no_other(packed, trainer_of, objective):
    out = packed(objective)
    trainer = trainer_of(out)
    expected = []
    for path in out.glob("train/*.arrow"):
        for row in rows_of_shard(path):
            start = 0
            for length in row["seq_lengths"]:
                ids = row["input_ids"][start : start + length]
                player = row["player"][start : start + length]
                # BOS, and only BOS, is nobody's action.
                labels = [IGNORED] + [
                    token if who in PLAYERS[objective] else IGNORED
                    for token, who in zip(ids[1:], player[1:], strict=True)
                ]
                expected.append((ids, labels))
                start += length
    found = [each for batch in trainer.get_train_dataloader() for each in documents_of(batch)]
    assert sorted(found) == sorted(expected)
    bos = trainer.processing_class.bos_token_id
    assert all(ids[0] == bos for ids, _ in found)
    if objective == "all":
        # The label that other packings lose.
        assert all(labels[1] == ids[1] for ids, labels in found)


@pytest.mark.parametrize("objective", ["all", "player-two"])
def test_it_takes_a_step(packed, trainer_of, objective):
    trainer = trainer_of(packed(objective))
    before = {name: each.clone() for name, each in trainer.model.named_parameters()}
    done = trainer.train()
    assert done.global_step == 1
    assert done.training_loss > 0
    moved = [
        name for name, each in trainer.model.named_parameters() if (each != before[name]).any()
    ]
    assert moved


def test_packed_loss_is_the_loss_of_each_document_alone(packed, trainer_of):
    """So that no document sees another one in TRL's forward pass."""
    trainer = trainer_of(packed("all"))
    batch = next(iter(trainer.get_train_dataloader()))
    nats, n_actions = 0.0, 0
    with torch.no_grad():
        for ids, labels in documents_of(batch):
            logits = trainer.model(torch.tensor([ids])).logits[0, :-1]
            targets = torch.tensor(labels[1:])
            nats += torch.nn.functional.cross_entropy(logits, targets, reduction="sum").item()
            n_actions += len(targets)
        together = trainer.compute_loss(trainer.model, batch).item()
        positions = torch.arange(batch["input_ids"].shape[1])[None]
        leaking = trainer.compute_loss(trainer.model, batch | {"position_ids": positions}).item()
    assert together == pytest.approx(nats / n_actions, rel=1e-5)
    # One document after another as a single one is told apart.
    assert leaking != pytest.approx(together, rel=1e-3)
