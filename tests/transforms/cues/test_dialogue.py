import pytest

from tests.transforms.segmenting import contents, games, pairs, seen

POT = "User: Name a pot.\nAssistant: A wok."
TALK = ("Who is there?", "A friend.", "Whose friend?", "Yours.", "Come in.", "With joy.")


def said_by(template: str, *names: str) -> str:
    """The talk with each speech put into the template, names in turn."""
    return "".join(template.format(names[i % len(names)], speech) for i, speech in enumerate(TALK))


@pytest.mark.parametrize(
    ("template", "names"),
    [
        ("{0}: {1}\n", ("Ann", "Bo")),
        ("{0}: {1}\n\n", ("INTERVIEWER", "MR. SMITH")),
        ("**{0}:** {1}\n\n", ("Ann Lee", "Bo de la Cruz")),
        ("**{0}**: {1}\n\n", ("Ann Lee", "Bo")),
        ("__{0}__: {1}\n\n", ("AL", "BC")),
        ("{0}:\n{1}\n\n", ("Ann", "Bo")),
        ("{0}:\n\n{1}\n\n", ("Ann", "Bo")),
        ("{0}: 00:12:05\n\n{1}\n\n", ("Speaker 1", "Speaker 2")),
        ("[{0}]: 00:12:05\n\n{1}\n\n", ("Ann", "Bo")),
        ("{0}  00:12:05\n{1}\n\n", ("Ann Lee", "Speaker 2")),
        ("{0}  10:05 AM\n{1}\n\n", ("ann", "bo.c")),
        ("{0} [10:05]\n{1}\n\n", ("ann", "bo")),
        ("{0} — 12/03/2021 10:05\n{1}\n", ("ann", "bo")),
        ("{0} (softly): {1}\n", ("Ann", "Bo")),
        ("{0}. {1}\n\n", ("ANN", "BO")),
        ("{0}.\n{1}\n\n", ("ANN", "BO")),
        ("  {0}. {1}\n", ("Ann", "Bo")),
        ("_{0}._ {1}\n\n", ("Ann", "Bo")),
        ("{0}\n{1}\n\n", ("ANN", "FIRST LORD")),
        ("          {0}\n     {1}\n\n", ("ANN", "BO (off)")),
        ("{0}\t{1}\n", ("ANN", "BO")),
        ("<{0}> {1}\n", ("ann", "bo_")),
        ("[12:03] <{0}> {1}\n", ("@ann", "bo|away")),
        ("2019-03-12T12:03:55  <{0}> {1}\n", ("ann", "bo")),
        ("(10:15:02) {0}: {1}\n", ("ann", "bo")),
        ("12/03/21, 10:15 - {0}: {1}\n", ("Ann Lee", "Bo")),
        ("{0}: {1}\r\n", ("Анна", "Борис")),
    ],
)
def test_speakers_in_their_varieties(template, names):
    assert pairs(said_by(template, *names)) == [TALK]
    assert games(said_by(template, *names)) == {"dialogue"}


def test_speakers_in_a_script_without_spaces():
    assert pairs("記者：誰ですか？\n田中：私です。\n記者：なぜ？\n田中：はい。\n") == [
        ("誰ですか？", "私です。", "なぜ？", "はい。")
    ]


def test_a_session_is_one_episode_with_labels_as_markers():
    text = said_by("[12:03] <{0}> {1}\n", "ann", "bo")
    spans = [tuple(span[:6]) for span in seen(text)]
    assert spans[:5] == [
        ("marker", 0, "dialogue", 0, 0, "[12:03] <ann>"),
        ("marker", 0, "dialogue", 0, 0, " "),
        ("question", 1, "dialogue", 0, 0, "Who is there?"),
        ("marker", 2, "dialogue", 0, 1, "\n"),
        ("marker", 2, "dialogue", 0, 1, "[12:03] <bo>"),
    ]
    assert {span.episode for span in seen(text)} == {0, None}


def test_a_run_of_one_speaker_is_one_turn():
    text = "<a> Hi.\n<a> Who?\n<b> Me.\n<b> Bo.\n<a> Ah?\n<b> Yes.\n"
    assert [
        (span.turn, span.text) for span in seen(text) if span.kind in ("question", "answer")
    ] == [
        (0, "Hi."),
        (0, "Who?"),
        (1, "Me."),
        (1, "Bo."),
        (2, "Ah?"),
        (3, "Yes."),
    ]


def test_three_speakers_become_pairs_of_turns():
    text = (
        "ANN: Who?\nBO: I.\nCY: Not I?\nANN: Why?\nCY: So.\nBO: No?\nANN: Yes.\nBO: Ah!\nCY: Oh.\n"
    )
    assert [kind for kind, _ in contents(text)] == ["question", "answer"] * 4


def test_the_one_who_asks_is_player_one():
    text = (
        "Guest: Thank you.\n\nHost: Who?\n\nGuest: I.\n\nOther: And I.\n\nHost: Why?\n\n"
        "Other: So.\n\nHost: When?\n\nGuest: Now.\n\nHost: Goodbye.\n"
    )
    assert contents(text) == [
        ("question", "Who?"),
        ("answer", "I."),
        ("answer", "And I."),
        ("question", "Why?"),
        ("answer", "So."),
        ("question", "When?"),
        ("answer", "Now."),
    ]


def test_speeches_have_paragraphs_and_the_last_no_more_than_others():
    text = "An introduction.\n\n" + said_by("{0}: {1}\n\n", "Ann", "Bo") + "\nThe end.\n"
    assert pairs(text) == [TALK]
    text = said_by("{0}: {1}\n\nIndeed.\n\n", "Ann", "Bo") + "The end.\n"
    assert pairs(text) == [tuple(f"{speech}\n\nIndeed." for speech in TALK)]


@pytest.mark.parametrize(
    "aside",
    [
        "[They sit.]\n\n",
        "(A bell rings;\nthey rise.)\n\n",
        "Enter GHOST.\n\n",
        "Exeunt.\n\nACT II\n\nSCENE 3. A field.\n\nThunder.\n\n",
        "## Later\n\n",
    ],
)
def test_stage_directions_and_headings_are_nobodys(aside):
    lines = said_by("{0}: {1}\n\n", "ANN", "BO").split("\n\n")
    text = "\n\n".join(lines[:3]) + "\n\n" + aside + "\n\n".join(lines[3:])
    assert pairs(text) == [TALK]


@pytest.mark.parametrize("rule", ["%\n", "\n* * *\n\n", "\n" + "Prose.\n\n" * 12])
def test_a_session_ends_at_a_rule_and_where_much_is_unlabelled(rule):
    lines = said_by("{0}: {1}\n", "ANN", "BO").splitlines(keepends=True)
    assert pairs("".join([*lines[:2], rule, *lines[2:]])) == [TALK[:2], TALK[2:]]


def test_a_part_in_which_no_one_asks_is_no_session():
    lines = said_by("{0}: {1}\n", "ANN", "BO").splitlines(keepends=True)
    assert pairs("".join([*lines[:4], "%\n", *lines[4:]])) == [TALK[:4]]


@pytest.mark.parametrize(
    "event",
    [
        "[12:04] *** cy has joined #talk\n",
        "[12:04] * cy waves\n",
        "-!- cy has left\n",
        "--> cy joined\n",
    ],
)
def test_what_happens_in_a_log_is_nobodys(event):
    lines = said_by("[12:03] <{0}> {1}\n", "ann", "bo").splitlines(keepends=True)
    assert pairs("".join([*lines[:3], event, *lines[3:], event])) == [TALK]


@pytest.mark.parametrize(
    "text",
    [
        # Notes of a manual: no one asks.
        "Note: Do it.\n\nWarning: Don't.\n\nNote: Or do.\n\nWarning: It burns.\n\n" * 3,
        # Sections of docstrings ask only in passing.
        "Args:\n  x: Is it so? Then say so.\n\nReturns:\n  It.\n\nArgs:\n  y: Why.\n\n"
        "Raises:\n  Never.\n\nArgs:\n  z: Zed.\n\nReturns:\n  That.\n\n",
        # Terms of a glossary do not recur.
        "Ant: What is it? An animal.\n\nBee: A fly?\n\nCow: Larger.\n\nDog: A pet?\n\nElk: Deer?\n",
        # Fields of records come in one order.
        "Name: Who?\nPlace: Where?\nTime: When?\n\n" * 6,
        # A form that is not filled in.
        "Name: Ann.\nHome: ??\nPhone: ?\n\nName: Bo.\nPhone: ?\nHome: ??\nName: ?\n" * 3,
        # Headers of mail.
        "From: Ann\nTo: Bo\nSubject: Where are you?\n\nHello.\n\n" * 4,
        "Author: Ann\nDate: Monday.\n\n    Why?\n\nAuthor: Bo\nDate: Tuesday.\n\n    So.\n\n" * 3,
        # Code that asks.
        "if x:\n    y = z ? 1 : 2\nelse:\n    Try: what?\n" * 6,
        "INPUT\n  What?\nOUTPUT\n  that;\n" * 1,
        # Markup.
        "<p> Who?\n</p>\n<li> I.\n</li>\n" * 6,
        # Choices.
        "A. What?\nB. Who?\n",
        # Paragraphs that open alike.
        "Well. Who knew?\n\nOne.\n\nTwo.\n\nYes. He did.\n\nOne.\n\nTwo.\n\n" * 4,
    ],
)
def test_what_is_no_dialogue(text):
    assert "dialogue" not in games(text)


def test_labelled_pairs_are_left_to_their_family():
    assert games("Q: a?\nA: b.\n" * 6) == {"label"}


@pytest.mark.parametrize(
    ("text", "n_turns"),
    [
        ("Ann: x?\nBo: y.\n" * 5_000, 10_000),
        ("<a> x?\n" * 20_000, 0),
        ("ANN\n" * 20_000, 0),
        ("Ann: " * 20_000, 0),
        ("Ann: a?\nBo: b.\nAnn: " + "[" * 5_000 + "\nBo: c?\n" + "(" * 20_000, 4),
        ("A" * 50_000 + ":\n", 0),
        ("Ann: x?\n\n\n\nBo: y.\n" + "\n" * 20_000, 0),
    ],
    ids=lambda value: repr(value[:12]) if isinstance(value, str) else str(value),
)
def test_long_documents(text, n_turns):
    assert len([kind for kind, _ in contents(text)]) == n_turns


@pytest.mark.parametrize(
    "text",
    [
        "User: Name a pot.\nAssistant: A wok.\n",
        "user: Name a pot.\n\nassistant: A wok.\n",
        "Human: Name a pot.\n\nAI: A wok.\n",
        "**User:** Name a pot.\n\n**Assistant:** A wok.\n",
        "Customer: Name a pot.\nAgent: A wok.\n",
        "### User\n\nName a pot.\n\n### Assistant\n\nA wok.\n",
        "### Human: Name a pot.\n### Assistant: A wok.\n",
        "<|user|>\nName a pot.\n<|assistant|>\nA wok.\n",
        "System: Be brief.\nUser: Name a pot.\nAssistant: A wok.\n",
        "<|im_start|>user\nName a pot.<|im_end|>\n<|im_start|>assistant\nA wok.<|im_end|>\n",
        "<start_of_turn>user\nName a pot.<end_of_turn>\n"
        "<start_of_turn>model\nA wok.<end_of_turn>\n",
        "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nName a pot.<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\nA wok.<|eot_id|>",
        "<s>[INST] Name a pot. [/INST] A wok. </s>\n",
        "A chat looks like this:\n\nUser: Name a pot.\nAssistant: A wok.\n\nThat was all.\n",
    ],
)
def test_one_exchange_between_named_players(text):
    assert pairs(text) == [("Name a pot.", "A wok.")]


def test_a_template_that_is_spoken_of_is_no_chat():
    assert pairs("Put [INST] before it and [/INST] behind it.\n") == []


def test_a_chat_keeps_its_turns():
    text = "User: Hello.\nAssistant: Hello.\n\nSo?\nUser: Bye.\nAssistant: Bye.\n"
    assert pairs(text) == [("Hello.", "Hello.\n\nSo?", "Bye.", "Bye.")]


def test_fields_of_records_are_no_players():
    assert pairs("user: root\nagent: none\n\nclient: web\nsupport: none\n") == []


def test_an_instruction_with_its_input_is_answered_by_the_response():
    text = "### Instruction:\nName it.\n\n### Input:\nIt boils.\n\n### Response:\nA pot.\n"
    assert pairs(text) == [("Name it.\n\n### Input:\nIt boils.", "A pot.")]


@pytest.mark.parametrize(
    "text",
    [
        f'PROMPT = """Talk like this:\n\n{POT}"""\nx = 1\n\ny = """z"""\n',
        f'"""Talk."""\n\nsay("""\n{POT}\n    """)\n',
        f"```text\n{POT}\n```\nMore of it.\n",
        f"[BEGIN]\n{POT}\n[END EXAMPLE]\n\nMore of it.\nUser: {{q}}\n",
        f"# Example 1\n\n{POT}\n\n# Example 2\n\nUser: {{{{ prompt }}}}\n",
        f"{POT}\n\n---\n\nUser: {{input}}\nAssistant: {{output}}\n",
    ],
)
def test_a_chat_that_is_shown_ends_with_what_shows_it(text):
    assert pairs(text) == [("Name a pot.", "A wok.")]


def test_a_chat_quotes_whole_strings_and_fences():
    said = 'So:\n\n```python\ndef f():\n    """One."""\n```\n\nThat is all.'
    text = f"User: Show one.\nAssistant: {said}\nUser: Bye.\nAssistant: Bye.\n"
    assert pairs(text) == [("Show one.", said, "Bye.", "Bye.")]


@pytest.mark.parametrize(
    "text",
    [
        "".join(f'{name} = """\nTASK: Find it.\nCHECK: Is it {name}?\n"""\n' for name in "ABC"),
        "if last:\n    if role:\n        # Assistant\n        pop()\n    # User\n    pop()\n"
        "    # Assistant\n    pop()\n",
    ],
)
def test_a_program_is_no_dialogue(text):
    assert pairs(text) == []


def test_whom_a_quotation_is_from_says_nothing():
    asked_and_answered = zip(TALK[::2], TALK[1::2], strict=True)
    text = "".join(f"Ann: {q}\nBo: {a}\n\t\t-- A Play\n\n" for q, a in asked_and_answered)
    assert pairs(text) == [TALK]
    log = "<ann> Who is there?\n<bo> A friend,\n   and no foe.\n\t\t-- #chat\n%\n"
    log += "<ann> Whose friend?\n<bo> Yours.\n"
    assert pairs(log) == [
        ("Who is there?", "A friend,\n   and no foe."),
        ("Whose friend?", "Yours."),
    ]


def test_a_title_belongs_to_a_name():
    text = said_by("{0}.\n{1}\n\n", "MRS. FORD", "FALSTAFF")
    assert pairs(text) == [TALK]
