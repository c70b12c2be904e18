"""Policies from scratch, from config files and from model folders, and what is refused."""

import hashlib
import json
import os

import pytest
import torch
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel

from jobs.train.policy import new_policy, save_policy
from pipeline.tokenizer import OutputTokenizer, given_tokenizer, load_output_tokenizer
from schemas.errors import UserError
from tests.jobs.train.making import tiny_policy
from transforms.control_tokens import with_control_tokens

CONTEXT = 16
SHAPE = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
}


@pytest.fixture
def tokenizer(tokenizer_file):
    """What prepare makes of the tokenizer: all control tokens are in it."""
    return given_tokenizer(tokenizer_file, eos=None)


@pytest.fixture
def base(tmp_path, tokenizer_file):
    """A model that knows the tokenizer, but none of our control tokens; its embeddings untied."""
    text = tokenizer_file.read_text()
    n_ids = Tokenizer.from_str(text).get_vocab_size()
    policy = tiny_policy(dtype=torch.float32, vocab_size=n_ids, tie_word_embeddings=False)
    policy.save_pretrained(tmp_path / "base")
    (tmp_path / "base/tokenizer.json").write_text(text)
    return tmp_path / "base"


def changed(base, **fields):
    """The base with other fields in its config."""
    path = base / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))
    return str(base)


def make(model, tokenizer, *, seed=0, context=CONTEXT):
    return new_policy(str(model), tokenizer, context=context, seed=seed)


def digest_of(policy):
    state = hashlib.sha256()
    for weight in policy.parameters():
        state.update(weight.detach().numpy().tobytes())
    return state.hexdigest()


def test_weights_depend_on_the_seed_alone(tokenizer):
    torch.manual_seed(1)
    one = make("1m", tokenizer)
    torch.manual_seed(2)
    assert digest_of(make("1m", tokenizer)) == digest_of(one)
    assert digest_of(make("1m", tokenizer, seed=1)) != digest_of(one)


def test_a_folder_that_is_called_like_a_size_is_not_meant(tokenizer, tmp_path, monkeypatch):
    (tmp_path / "1m").mkdir()
    monkeypatch.chdir(tmp_path)
    assert make("1m", tokenizer).config.hidden_size == 96


def test_a_config_file_gives_the_shape_and_the_shards_the_vocabulary(tokenizer, tmp_path):
    fields = SHAPE | {"num_key_value_heads": 1, "vocab_size": 9, "bos_token_id": 7}
    (tmp_path / "config.json").write_text(json.dumps(fields))
    policy, ids = make(tmp_path / "config.json", tokenizer), tokenizer.segment_tokenizer()
    assert policy.model.layers[0].self_attn.k_proj.weight.shape == (8, 16)
    assert policy.get_input_embeddings().num_embeddings == ids.n_ids
    assert policy.config.bos_token_id == policy.generation_config.bos_token_id == ids.bos_id
    assert policy.config.pad_token_id == policy.generation_config.pad_token_id == ids.pad_id


def test_a_pad_that_is_the_end_of_turn_is_learned_all_the_same(tokenizer_file):
    text = with_control_tokens(tokenizer_file.read_text(), eos="<eos>", bos="<eos>", pad="<eos>")
    tokenizer = OutputTokenizer(json=text, eos="<eos>", bos="<eos>", pad="<eos>")
    policy, eos = make("1m", tokenizer), tokenizer.segment_tokenizer().eos_id
    embeddings = policy.get_input_embeddings()
    assert embeddings.weight[eos].any()
    policy.base_model(torch.tensor([[eos, eos]])).last_hidden_state.sum().backward()
    assert embeddings.weight.grad[eos].any()


def test_the_model_of_a_run_goes_on_as_it_is(tokenizer, tmp_path):
    policy = make("1m", tokenizer)
    save_policy(policy, tokenizer, tmp_path)
    assert load_output_tokenizer(tmp_path) == tokenizer
    assert digest_of(make(tmp_path, tokenizer, seed=1)) == digest_of(policy)


@pytest.mark.parametrize("spare", [0, 64])
def test_embeddings_grow_for_our_control_tokens_and_known_rows_stay(base, tokenizer, spare):
    """Many a model has more embeddings than its tokenizer has tokens."""
    known = AutoModelForCausalLM.from_pretrained(base)
    n_known = known.config.vocab_size
    if spare:
        known.resize_token_embeddings(n_known + spare, mean_resizing=False)
        known.save_pretrained(base)
    ids = tokenizer.segment_tokenizer()
    policy, again, other = (make(base, tokenizer, seed=seed) for seed in (0, 0, 1))
    assert digest_of(policy) == digest_of(again) != digest_of(other)
    for table in ("get_input_embeddings", "get_output_embeddings"):
        old, new, drawn_anew = (getattr(each, table)().weight for each in (known, policy, other))
        assert len(new) == max(ids.n_ids, n_known + spare)
        assert torch.equal(new[:n_known], old[:n_known])
        is_new = slice(n_known, ids.n_ids)
        assert float(new.detach()[is_new].std()) == pytest.approx(0.02, rel=0.3)
        assert not torch.equal(new[is_new], drawn_anew[is_new])
        assert torch.equal(new[ids.n_ids :], old[ids.n_ids :])
    assert torch.equal(policy.model.norm.weight, known.model.norm.weight)
    assert policy.config.eos_token_id == policy.generation_config.eos_token_id == ids.eos_id


def no_tokenizer(base, _tmp):
    (base / "tokenizer.json").unlink()
    return base


def other_tokenizer(base, _tmp):
    path = base / "tokenizer.json"
    config = json.loads(path.read_text())
    vocabulary = config["model"]["vocab"]
    vocabulary["a"], vocabulary["b"] = vocabulary["b"], vocabulary["a"]
    path.write_text(json.dumps(config))
    return base


def no_weights(base, _tmp):
    (base / "model.safetensors").unlink()
    return base


def cut_off(base, _tmp):
    os.truncate(base / "model.safetensors", 2000)
    return base


def no_head(base, _tmp):
    policy = AutoModelForCausalLM.from_pretrained(base)
    policy.base_model.save_pretrained(base)
    return base


def gpt2(base, _tmp):
    config = GPT2Config(vocab_size=300, n_embd=16, n_layer=1, n_head=2, n_positions=CONTEXT)
    GPT2LMHeadModel(config).save_pretrained(base)
    return base


def config_file(fields):
    def make_file(_base, tmp):
        (tmp / "config.json").write_text(json.dumps(fields))
        return tmp / "config.json"

    return make_file


@pytest.mark.parametrize(
    ("make_model", "says"),
    [
        (lambda *_: "5b", ["--model 5b: cannot read 5b", "No such file", "1m, 10m, 124m"]),
        # Files.
        (config_file([1]), ["is no JSON file of a LlamaConfig", "it has no hidden_size"]),
        (config_file(None), ["is no JSON file of a LlamaConfig"]),
        # Its defaults would be a Llama of 7 B.
        (config_file({"hiden_size": 16}), ["no hidden_size, intermediate_size"]),
        (config_file(SHAPE | {"model_type": "gpt2"}), ["it is a gpt2"]),
        (config_file(SHAPE | {"hidden_size": 15}), ["makes a policy", "15"]),
        (config_file(SHAPE | {"hidden_act": "foo"}), ["makes a policy", "foo"]),
        (config_file(SHAPE | {"max_position_embeddings": 15}), ["15 positions", "--context 16"]),
        (config_file(SHAPE | {"attention_dropout": 0.1}), ["attention_dropout of 0.1", "to 0"]),
        # Folders.
        (no_tokenizer, ["has no tokenizer.json to compare"]),
        (other_tokenizer, ["another tokenizer", "2 tokens", "'a'", "prepare the corpus with"]),
        (no_weights, ["holds no model that opens"]),
        (cut_off, ["holds no model that opens"]),
        (no_head, ["holds no whole model: it lacks lm_head.weight"]),
        (gpt2, ["is a gpt2: only llama models"]),
        (lambda base, _: changed(base, max_position_embeddings=15), ["15 positions"]),
        (lambda base, _: changed(base, attention_dropout=0.1), ["attention_dropout of 0.1"]),
    ],
)
def test_a_model_that_cannot_be_trained_is_refused_in_a_line(
    make_model, says, base, tmp_path, tokenizer
):
    model = make_model(base, tmp_path)
    with pytest.raises(UserError) as caught:
        make(model, tokenizer)
    message = " ".join(str(caught.value).split())
    assert message.startswith(f"--model {model}")
    for words in says:
        assert words in message
