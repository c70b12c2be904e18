"""What has to hold of the insertion class, whatever the rows are."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from jobs.compare.arms import ARMS, arm_delimiters, arm_rows, content_digest
from jobs.compare.config import prompts_of
from jobs.compare.corpus import all_delimiters, answers_of, base_rows, train_content
from jobs.compare.design import longest_rows, packed_arm
from jobs.train.loop import TrainConfig
from jobs.train.rows import load_rows
from pipeline.tokenizer import load_output_tokenizer
from transforms.rows import redelimit
from transforms.strip_cues import strip_cues

SCHEMES = ("plain", "eos", "tags")
CONTEXT = 48


@pytest.fixture(scope="module")
def tokenizer(prepared):
    return load_output_tokenizer(prepared).segment_tokenizer()


@pytest.fixture(scope="module", params=[True, False], ids=["stripped", "kept"])
def rows(request, prepared, tokenizer):
    return base_rows(
        prepared,
        tokenizer,
        split="train",
        context=CONTEXT,
        strips_cues=request.param,
        schemes=SCHEMES,
    ).rows


@pytest.fixture(scope="module")
def content(rows):
    return train_content(rows)


@pytest.fixture(scope="module")
def of_scheme(rows, tokenizer):
    return all_delimiters(rows, tokenizer, SCHEMES)


def made(name, content, of_scheme, tokenizer, *, seed=0, keeps_half_bare=True):
    delimiters = arm_delimiters(
        ARMS[name], content, of_scheme, tokenizer, seed=seed, keeps_half_bare=keeps_half_bare
    )
    return arm_rows(content, delimiters)


def delimiters_of(table):
    """The delimiters of each row, in order."""
    return [
        [token for token, is_one in zip(ids, marks, strict=True) if is_one]
        for ids, marks in zip(
            table["input_ids"].to_pylist(), table["is_delimiter"].to_pylist(), strict=True
        )
    ]


@pytest.mark.parametrize("name", ARMS)
def test_every_arm_has_the_content_in_its_order(name, rows, content, of_scheme, tokenizer):
    table = made(name, content, of_scheme, tokenizer)
    assert content_digest(table) == content.digest
    bare = redelimit(rows, tokenizer, None)["input_ids"].to_pylist()
    for ids, marks, expected in zip(
        table["input_ids"].to_pylist(), table["is_delimiter"].to_pylist(), bare, strict=True
    ):
        assert [id_ for id_, is_one in zip(ids, marks, strict=True) if not is_one] == expected


def test_raw_is_the_documents_and_tags_are_what_redelimit_gives(
    rows, content, of_scheme, tokenizer
):
    raw = made("raw", content, of_scheme, tokenizer)
    assert raw["input_ids"].to_pylist() == redelimit(rows, tokenizer, None)["input_ids"].to_pylist()
    tags = made("tags", content, of_scheme, tokenizer, keeps_half_bare=False)
    expected = redelimit(rows, tokenizer, "tags")
    assert tags["input_ids"].to_pylist() == expected["input_ids"].to_pylist()
    assert tags["player"].to_pylist() == expected["player"].to_pylist()


def test_the_placebo_moves_the_same_delimiters_by_seed(content, of_scheme, tokenizer):
    tags = made("tags", content, of_scheme, tokenizer)
    placebos = [made("placebo", content, of_scheme, tokenizer, seed=seed) for seed in (0, 0, 1)]
    assert sum(map(len, delimiters_of(tags))) > 20
    assert delimiters_of(placebos[0]) == delimiters_of(tags)
    assert placebos[0].equals(placebos[1])
    assert not placebos[0].equals(placebos[2])
    assert not placebos[0].equals(tags)


def test_swapped_exchanges_the_names_and_nothing_else(content, of_scheme, tokenizer):
    tags = made("tags", content, of_scheme, tokenizer)
    swapped = made("swapped", content, of_scheme, tokenizer)
    assert swapped["player"].equals(tags["player"])
    assert swapped["is_delimiter"].equals(tags["is_delimiter"])
    exchanged = {"question": "answer", "answer": "question", "reasoning": "reasoning"}
    pairs = zip(delimiters_of(tags), delimiters_of(swapped), strict=True)
    names = [
        (tokenizer.decode([before]), tokenizer.decode([after]))
        for pair in pairs
        for before, after in zip(*pair, strict=True)
    ]
    assert len(set(names)) == 4
    for before, after in names:
        name = before.strip("</>")
        assert after == before.replace(name, exchanged[name])


def test_the_same_half_is_bare_in_every_arm(content, of_scheme, tokenizer):
    assert 0.2 < content.is_bare.mean() < 0.8
    has_episode = np.isin(np.arange(len(content)), of_scheme["tags"].row)
    for name in set(ARMS) - {"raw"}:
        table = made(name, content, of_scheme, tokenizer)
        is_delimited = np.array([bool(each) for each in delimiters_of(table)])
        assert (is_delimited == (has_episode & ~content.is_bare)).all()


def test_context_k_holds_the_same_documents_in_every_arm(content, of_scheme, tokenizer):
    lengths = longest_rows(content, {name: of_scheme[name] for name in ("eos", "tags")})
    config = TrainConfig(context=CONTEXT)
    plans = [
        packed_arm(made(name, content, of_scheme, tokenizer), lengths, config, tokenizer)
        for name in ARMS
    ]
    held = [[each.tolist() for each in plan.rows_of_context] for plan in plans]
    assert all(each == held[0] for each in held)
    assert sorted(row for rows_ in held[0] for row in rows_) == list(range(len(content)))


def test_every_row_fits_a_context_in_every_arm_and_prompt(rows, tokenizer):
    for scheme in SCHEMES:
        sizes = pc.list_value_length(redelimit(rows, tokenizer, scheme)["input_ids"])
        assert pc.max(sizes).as_py() <= CONTEXT - 1


def test_answers_are_the_same_tokens_and_bytes_with_cues_and_without(prepared, tokenizer):
    found = []
    for strips_cues in (True, False):
        base = base_rows(
            prepared,
            tokenizer,
            split="test",
            context=512,
            strips_cues=strips_cues,
            schemes=SCHEMES,
        )
        answers = answers_of(base.rows)
        scored = answers.content.tokens[answers.content.cell >= 0].tolist()
        found.append((answers.sources, answers.games, answers.cells, scored))
    assert found[0] == found[1]
    assert found[0][3]


def test_stripped_cues_leave_their_white_space_and_no_label(prepared, tokenizer):
    loaded = load_rows(prepared, tokenizer, config="documents", split="train", context=None)
    stripped = strip_cues(loaded.table, tokenizer)

    def markers(table):
        return [
            tokenizer.decode(row["input_ids"][each["start"] : each["end"]])
            for row in table.select(["input_ids", "segments"]).to_pylist()
            for each in row["segments"]
            if each["kind"] == "marker" and each["episode"] is not None
        ]

    before, after = markers(loaded.table), markers(stripped)
    assert any("Q:" in each for each in before)
    assert all(each and not each.strip() for each in after)
    assert "".join(after) == "".join("".join(c for c in each if c.isspace()) for each in before)
    one, two = (
        [
            tokenizer.decode(row["input_ids"][each["start"] : each["end"]])
            for row in table.select(["input_ids", "segments"]).to_pylist()
            for each in row["segments"]
            if each["kind"] in ("question", "answer", "text")
        ]
        for table in (loaded.table, stripped)
    )
    assert one == two


def test_rows_without_markers_are_as_they_were(tokenizer, prepared):
    loaded = load_rows(prepared, tokenizer, config="episodes", split="train", context=None)
    bare = redelimit(loaded.table, tokenizer, None)
    assert strip_cues(bare, tokenizer)["input_ids"].equals(bare["input_ids"])
    assert isinstance(strip_cues(bare.slice(0, 0), tokenizer), pa.Table)


def test_an_arm_is_shown_only_control_tokens_that_it_was_trained_on():
    arms = ("raw", "eos", "tags", "placebo")
    assert prompts_of("raw", arms) == ["raw", "plain"]
    assert prompts_of("eos", arms) == ["raw", "eos", "plain"]
    assert prompts_of("placebo", arms) == ["raw", "tags", "placebo", "plain"]
