from schemas.delimiters import CONTROL_TOKENS, SCHEMES, Control


def test_control_tokens_of_all_schemes_have_one_fixed_order():
    named = [token for scheme in SCHEMES.values() for token in scheme.control_tokens()]
    assert list(CONTROL_TOKENS) == list(dict.fromkeys(named))
    assert "<question>" in CONTROL_TOKENS


def test_the_papers_scheme_ends_turns_by_the_tokenizers_own_token():
    sides = [side for pair in SCHEMES["eos"].turns.values() for side in pair]
    assert sides == [(), (Control(None),)] * 2
    assert SCHEMES["eos"].control_tokens() == ()


def test_schemes_of_text_have_no_control_token():
    assert SCHEMES["plain"].control_tokens() == SCHEMES["none"].control_tokens() == ()
