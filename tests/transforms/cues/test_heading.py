import pytest

from tests.transforms.segmenting import games, pairs


@pytest.mark.parametrize(
    "text",
    [
        "## Why?\n\nSo.\n\n## How?\n\nThus.\n",
        "## Why? ##\nSo.\n\n## How?\nThus.\n",
        "Why?\n----\n\nSo.\n\nHow?\n----\n\nThus.\n",
        "====\nWhy?\n====\n\nSo.\n\n====\nHow?\n====\n\nThus.\n",
        "1. Why?\n\n   So.\n\n2. How?\n\n   Thus.\n",
        "1) Why?\n\nSo.\n\n2) How?\n\nThus.\n",
        "3.1. Why?\n\nSo.\n\n3.2. How?\n\nThus.\n",
        "Why?\n\nSo.\n\nHow?\n\nThus.\n",
        "  Why?\n    So.\n\n  How?\n    Thus.\n",
        "１．Why?\n\nSo.\n\n２．How?\n\nThus.\n",
        "== Why? ==\nSo.\n\n== How? ==\nThus.\n",
        "== Why?\n\nSo.\n\n== How?\n\nThus.\n",
        "## Q1: Why?\n\nSo.\n\n## Q2: How?\n\nThus.\n",
        "\ufeff## Why?\n\nSo.\n\n## How?\n\nThus.\n",
        "* On it\n\n** Why?\nSo.\n\n** How?\nThus.\n",
        "* On it\n** Why?\nSo.\n** How?\nThus.\n",
        "* Why?\nSo.\n* How?\nThus.\n* License\nMIT.\n",
        "* Why?\n\nSo.\n\n* How?\n\nThus.\n\n* License\n\nMIT.\n",
        "* On it\n** Of it\n*** Why?\nSo.\n*** How?\nThus.\n",
        "== On it\n\nWhy?::\nSo.\n\nHow?::\nThus.\n\n== More\n\nEnd.\n",
        "[qanda]\nWhy?::\n  So.\nHow?::\n  Thus.\n",
        "Why?::\nSo.\nHow?::\nThus.\n",
        "[qanda]\nWhy?::\nSo.\n\n[qanda]\nHow?::\nThus.\n",
        "[[why]]\n== Why?\nSo.\n\n[#how.more]\n== How?\nThus.\n",
        "\\section{Why?}\nSo.\n\\subsection*{How?}\nThus.\n\\section{More}\nEnd.\n",
        "@node a\n@section Why?\nSo.\n\n@node b\n@section How?\nThus.\n",
        '.SH ON IT\n.SS Why?\nSo.\n.SS "How?"\nThus.\n.SH MORE\nEnd.\n',
        ".TP\n.B Why?\nSo.\n.TP\n.B How?\nThus.\n",
        '.IP "Why?"\nSo.\n.IP "How?" 4\nThus.\n',
        "<h3 id=a>Why?</h3>\nSo.\n<h3><b>How?</b></h3>\nThus.\n",
    ],
)
def test_headings_that_ask(text):
    assert pairs(text) == [("Why?", "So."), ("How?", "Thus.")]


def test_a_term_that_asks_may_be_wrapped():
    text = "Why is it\nas it is?::\nSo.\n\nHow?::\nThus.\n"
    assert pairs(text) == [("Why is it\nas it is?", "So."), ("How?", "Thus.")]


def test_a_paragraph_that_asks_above_a_deeper_answer_is_one_among_more_of_them():
    asked = ["Why is it?", "It stood.\n   How was it?", "Who is it?", "What is it?"]
    text = "".join(f"   {question}\n       It is so.\n\n" for question in asked)
    assert pairs(text) == [(question, "It is so.") for question in asked]


def test_questions_right_above_their_answers():
    text = "What is it?\nIt is.\n\nWho is it?\nHe is.\n\nWhy is it?\nIt is so.\n"
    assert pairs(text) == [
        ("What is it?", "It is."),
        ("Who is it?", "He is."),
        ("Why is it?", "It is so."),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "One paragraph.\n\nBut why?\n\nBecause we said so.\n",  # rhetoric
        "Prose that ends\nin a question?\n\nMore prose.\n",
        '"Who are you?"\n\nHe paused.\n\n"Who is he?"\n\nShe left.\n',  # talk in a story
        # Titles of docstrings, each with a line that asks below it.
        "a.is_a\n------\n\nIs it a?\n\na.is_b\n------\n\nIs it b?\n\na.c\n---\n\nC.\n",
        "1. Why?\n2. How?\n3. Who?\n\nThe end.\n",  # a table of contents
        "* Why?\n\n* How?\n\n* Who?\n\ntext\n",
        "Why?\n\nHow?\n\nWho?\n",
        "## Title\n\ntext\n",
        "/*\n** Why? See below.\n** Is it open?\n** It is.\n*/\nint f(void);\n",  # a comment
        '.IP "$?"\nThe status.\n.IP "$!"\nThe error.\n',
        "std::\nfoo?bar::\nx = y ? a::b : c;\n.B why\n",
        "```\n\n## Why?\n\n```\n",  # code
        "    ## Why?\n\n    text\n",
        "# Why?\n",  # nothing below
        "#!/bin/sh\n\n# Is it on?\n\nls /on\n",  # comments of a program
        "# Be loud?\nset loud = no\n\n# Be quick?\nset quick = yes\n",  # of a configuration
        "Text.\n\n# It is long (why is it,\n# one asks?)\n\nset a\n",  # of an example
        "Back '?'\n   Goes back.\n\nOn '?'\n   Goes on.\n\nUp '?'\n   Up.\n",  # keys
        # Things to do.
        "1) Mend it. Or not?\n\n2) Add more.\n\n3) Why? Ask Ann.\n\n4) Sort it?\n\n5) Do less.\n\n"
        "6) Clean up.\n\n7) Drop it.\n",
        "1.\n\nMend it.\n\n2.\n\nShould it go on?\n\n3.\n\nAdd.\n\n4.\n\nIs it worth it?\n\n"
        "5.\n\nStop it.\n\n6.\n\nSort it.\n",
    ],
)
def test_what_is_no_question(text):
    assert pairs(text) == []


def test_a_table_of_contents_before_its_answers():
    body = "1. Why?\n\n   So.\n\n2. How?\n\n   Thus.\n\n3. Who?\n\n   He.\n"
    assert pairs(f"1. Why?\n2. How?\n3. Who?\n\n{body}") == [
        ("Why?", "So."),
        ("How?", "Thus."),
        ("Who?", "He."),
    ]


def test_answers_run_to_a_peer_or_higher_heading():
    text = "# T\n\n## Why?\n\nSo.\n\n### Part\n\nMore.\n\n# U\n\ntext\n"
    assert pairs(text) == [("Why?", "So.\n\n### Part\n\nMore.")]


def test_peers_of_questions_are_questions_between_them_only():
    text = "## About\n\na\n\n## Why?\n\nb\n\n## Books\n\nc\n\n## How?\n\nd\n\n## Licence\n\ne\n"
    assert pairs(text) == [("Why?", "b"), ("How?", "d")]
    more = text.replace("## About\n\na\n\n", "").replace("## Licence\n\ne\n", "")
    assert pairs(more) == [("Why?", "b"), ("Books", "c"), ("How?", "d")]


def test_a_section_that_asks_is_a_title_where_its_parts_ask():
    text = "# Any questions?\n\n## Why?\n\nSo.\n\n## How?\n\nThus.\n"
    assert pairs(text) == [("Why?", "So."), ("How?", "Thus.")]


def test_link_targets_belong_to_what_follows():
    text = "Why?\n----\n\nSo.\n\n.. _how:\n\nHow?\n----\n\nThus.\n"
    assert pairs(text) == [("Why?", "So."), ("How?", "Thus.")]


@pytest.mark.parametrize(
    "text",
    [
        "Why?\n\nSo.\n\nSECTION TWO\n\nHow?\n\nThus.\n",  # capitals
        "Why?\n\nSo.\n\nThe second part\n\nHow?\n\nThus.\n",  # a title right above a question
        "  Why?\n    So.\n\nThe second part\n  How?\n    Thus.\n",  # less indented
    ],
)
def test_section_titles_end_answers(text):
    assert pairs(text) == [("Why?", "So."), ("How?", "Thus.")]


def test_the_next_line_may_hold_an_aside():
    text = "Why? (And when?)\n\nSo.\n\nHow?\n\nThus.\n"
    assert pairs(text) == [("Why? (And when?)", "So."), ("How?", "Thus.")]
    assert games(text) == {"heading"}


def test_the_summary_of_something_in_a_program_is_no_question():
    summary = "Is {} a subtype?\n\nBoth sides are looked at.\n\n"
    text = "".join(f"types.is_{x}\n==========\n\n{summary.format(x)}" for x in ("one", "two"))
    assert pairs(text) == []
    assert len(pairs(text.replace("types.is_", "Types of "))) == 2


@pytest.mark.parametrize(
    "body",
    [
        "<!-- Say why. -->",
        "<!-- Say\n\nwhy. -->\n\n{{ why | default('[More Information Needed]', true) }}",
        "{% include why.md %}\n{# later #}",
        "<!---->\n<br>\n",
        '<p align="center">\n  <img src="why.png" alt="Why">\n</p>',
    ],
)
def test_what_holds_no_words_is_no_answer(body):
    text = "## Why?\n\n{}\n\n## How?\n\nThus.\n\n## Who?\n\nHe.\n"
    assert pairs(text.format(body)) == [("How?", "Thus."), ("Who?", "He.")]
    plain = text.replace("## ", "")
    assert pairs(plain.format(body)) == [("How?", "Thus."), ("Who?", "He.")]


@pytest.mark.parametrize(
    "body",
    [
        "<!-- open",
        "{{ open",
        "<https://example.org>",
        "<me@example.org>",
        "<b>So</b>",
        "{{ so }}.",
        "<!-- a --> So.",
    ],
)
def test_few_words_are_an_answer(body):
    assert pairs(f"## Why?\n\n{body}\n\n## How?\n\nThus.\n") == [("Why?", body), ("How?", "Thus.")]


@pytest.mark.parametrize(
    "tail",
    [
        # A banner of the page, over several lines.
        '<a href="x">\n    <img alt="a banner"\n     src="x.png">\n</a><br>\n',
        '<a name="how"></a>\n',  # names the next heading
        "<!-- next -->\n",
        '<br>\n\n<a id="how"/>\n',
        "---\n",  # a rule between sections
        "* * *\n",
        "=========\n\n.. _how:\n",
        ".. _how:\n\n<hr>\n",
    ],
)
def test_what_stands_between_sections_is_no_answer(tail):
    text = f"## Why?\n\nSo.\n\n{tail}\n## How?\n\nThus.\n\n{tail}"
    assert pairs(text) == [("Why?", "So."), ("How?", "Thus.")]
    plain = f"Why?\n\nSo.\n\n{tail}\nHow?\n\nThus.\n\n{tail}"
    assert pairs(plain) == [("Why?", "So."), ("How?", "Thus.")]


@pytest.mark.parametrize(
    "answer",
    [
        "It looks like this:\n\n<img src='x.png'>",  # what the text points at
        "Write this.\n\n    <br>",  # code
        "<details>\n\nSo.\n\n</details>",
        "<div>\nSo.\n</div>",
        "End it like this:\n\n</div>",
        "So.\n\n<https://example.org>",
        "So.\n\n[[so]]",
        "So.\n\n![So](x.png)",
        "```\nx\n\n<br>\n```",
    ],
)
def test_answers_keep_their_ends(answer):
    assert pairs(f"# Why?\n\n{answer}\n\n# How?\n\nThus.\n") == [
        ("Why?", answer),
        ("How?", "Thus."),
    ]


@pytest.mark.parametrize(
    ("opening", "closing"),
    [
        ("<body>\n<div>\n", "</div>\n</body>\n</html>\n"),
        ("", "</body></html>\n"),
        ("<section>\n", "\n</section>\n\n"),
        ("", "</div>\n<div class='entry'>\n"),
    ],
)
def test_an_element_that_was_open_before_an_answer_ends_it(opening, closing):
    text = f"{opening}<h3>Why?</h3>\nSo.\n{closing}<h3>How?</h3>\nThus.\n{closing}"
    assert pairs(text) == [("Why?", "So."), ("How?", "Thus.")]
    text = f"{opening}Q: Why?\nA: So.\n{closing}\nQ: How?\nA: Thus.\n{closing}"
    assert pairs(text) == [("Why?", "So."), ("How?", "Thus.")]


@pytest.mark.parametrize("tag", ["<details>\n<summary>", "<details><summary>"])
def test_details_close_behind_their_answers(tag):
    text = "".join(f"{tag}{asked}</summary>\n\n{said}\n\n</details>\n\n" for asked, said in _SAID)
    assert pairs(text) == _SAID
    assert pairs(text.replace("\n\n", "\n")) == _SAID


_SAID = [("Why?", "So."), ("How?", "Thus.")]
_RULE = "-" * 30


@pytest.mark.parametrize(
    "footer",
    [
        f"{_RULE}\nSee HISTORY for older ones.\n{_RULE}\n",
        f"{_RULE}\nSee HISTORY\nfor older ones.\nEnd.\n{_RULE}\n\n",
        f"{_RULE}\nSee HISTORY\nfor older ones.\n{_RULE}\n\n<br>\n",
    ],
)
def test_a_ruled_footer_belongs_to_no_section(footer):
    text = f"Why?\n====\n\nSo.\n\nHow?\n====\n\nThus.\n\n{footer}"
    assert pairs(text) == [("Why?", "So."), ("How?", "Thus.")]
    assert pairs(text.replace("====\n\n", "\n")) == [("Why?", "So."), ("How?", "Thus.")]


@pytest.mark.parametrize(
    "end",
    [
        f"{_RULE}\na\n\nb\n{_RULE}",  # more than a block
        f"a\n{_RULE}\nb\n{_RULE}",  # a table
        f"{_RULE}\n" + "a\n" * 9 + _RULE,  # long
        f"{_RULE}\na\n{_RULE[1:]}",  # another rule
        "```\na\n```",
        f"{_RULE}\na\n{_RULE}\n\nSo.",  # not at the end
    ],
)
def test_what_is_no_footer(end):
    assert pairs(f"Why?\n====\n\nSo.\n\n{end}\n") == [("Why?", f"So.\n\n{end}")]


@pytest.mark.parametrize(
    "entries",
    [
        "Part 1\n   1.1 Why a lid?\n   1.2 Why a pot?\nPart 2\n   2.1 How hot?\n",  # nested
        "1.1 Why a lid? ... 3\n1.2 Why a pot? ... 4\n2.1 How hot? ... 9\n",  # with pages
        "1.1 Why a lid?\n\n1.2 Why a pot?\n\n2.1 How hot?\n",
    ],
)
def test_entries_of_a_table_of_contents_are_no_questions(entries):
    text = (
        f"Contents\n\n{entries}\nThis is about pots.\n\nPart 1\n\n1.1 Why a lid?\n\nIt keeps.\n\n"
        "1.2 Why a pot?\n\nIt holds.\n\nPart 2\n\n2.1 How hot?\n\nNot very.\n"
    )
    assert pairs(text) == [
        ("Why a lid?", "It keeps."),
        ("Why a pot?", "It holds."),
        ("How hot?", "Not very."),
    ]


def test_a_list_of_questions_may_stand_twice():
    text = "Why a lid?\n\nIt keeps.\n\nWhy a pot?\n\nIt holds.\n\n"
    assert len(pairs(text + "Once more.\n\n" + text)) == 4


def test_numbered_questions_without_a_mark_that_open_with_all_sorts_of_words():
    asked = [
        "Can I boil an egg in it",
        "My lid is gone. What should I do",
        "From a cook's point of view, which pot is best",
        "Does it rust",
        "The handle",
    ]
    asked.append("Are there other sizes")
    text = "".join(f"{n}) {title}\n\nSo it is said.\n\n" for n, title in enumerate(asked, 1))
    assert [question for question, _ in pairs(text)] == asked


def test_numbered_steps_are_no_questions():
    steps = ["Do not open the lid", "Fill the pot", "When it boils, stir", "Will a friend to help"]
    text = "".join(f"{n}) {step}\n\nThen wait.\n\n" for n, step in enumerate(steps, 1))
    assert pairs(text) == []


def test_a_marked_heading_that_is_underlined_too_is_one():
    assert pairs("= 0?\n===\n") == []
    assert pairs("# Why?\n======\n\nSo.\n") == [("Why?", "So.")]


def test_comments_of_a_program_are_no_headings():
    code = "# Is it a list?\n# It may be.\nx = f(y)\n# What?\ny = 1\n# So.\n\n# Why?\nz = 2\n"
    assert pairs(code) == []
    assert pairs("# Is it?\n\nIt is.\n\n```\n# a\n# b\n# c\n```\n") != []


def test_what_parts_sayings_ends_an_answer():
    assert pairs("# Why?\n\nIt is.\n%\nIt rains.\n%\n") == [("Why?", "It is.")]
    assert pairs("Q: Who?\nA: I.\n%\nIt rains.\n%\n") == [("Who?", "I.")]


def test_questions_counted_by_a_letter_and_a_number_may_be_statements():
    text = (
        "C1. Why does it fail?\n\nIt is old.\n\nC2. It does not start.\n\nPlug it in.\n\n"
        "C3. What is it for?\n\nFor fun.\n\nT1. How is it tested?\n\n1. Start it.\n\n2. Stop it.\n"
    )
    assert [question for question, _ in pairs(text)] == [
        "Why does it fail?",
        "It does not start.",
        "What is it for?",
        "How is it tested?",
    ]


def test_an_answer_ends_at_the_entry_that_counts_on():
    text = "1) Why is it?\n\nSo.\n\n2) You want two\n\nTake two.\n\n3) How is it?\n\nThus.\n"
    assert pairs(text)[0] == ("Why is it?", "So.")


def test_a_numbered_title_above_the_next_question_is_not_in_the_answer():
    text = "1.1.  Why is it?\n\nSo.\n\n2.  Usage\n\n2.1.  How is it?\n\nThus.\n"
    assert pairs(text) == [("Why is it?", "So."), ("How is it?", "Thus.")]


@pytest.mark.parametrize("end", ["\n", "\n\n", ""])
def test_a_paragraph_that_asks_at_the_end_of_all_documents_has_no_answer(end):
    text = (
        "Why is it that everything\nis so here?\n\nBecause it is.\n\nWhat is it now for them\n"
        "that it is?\n\nIt is so.\n\nWho is it that is\nout there?\n\nIt is he.\n\n"
        "It is a word. But why\nis it so?"
    )
    assert len(pairs(text + end)) == 3


def test_what_stands_as_deep_as_the_questions_above_less_deep_answers_is_a_title():
    text = (
        "    Why is it?\n\n   It is so:\n\n    Set a\n\n   or so.\n\n    How is it?\n\n   Well.\n\n"
        "  On files\n\n    It does not open\n\n   Ask them.\n\n    Who is it?\n\n   He is.\n\n"
        '    "ls" shows none\n\n   It does.\n'
    )
    assert pairs(text) == [
        ("Why is it?", "It is so:\n\n    Set a\n\n   or so."),
        ("How is it?", "Well."),
        ("Who is it?", "He is."),
    ]


def test_an_entry_that_opens_with_an_option_is_one_of_a_list_of_things_to_do():
    entries = ["lock files", "-x off?", "logs in one file", "tests", "-q or -v?", "faster reads"]
    assert pairs("".join(f"{i}) {each}\n\n" for i, each in enumerate(entries, 101))) == []


def test_the_line_below_a_question_that_underlines_it_is_no_answer():
    text = "".join(
        f"{i}. {asked}\n~~~~~\n  So.\n\n" for i, asked in enumerate(["Why?", "How?"] * 2)
    )
    assert pairs(text) == [("Why?", "So."), ("How?", "So.")] * 2


RULE = "-" * 60 + "\n"


@pytest.mark.parametrize(
    "entry",
    [
        "{n}. Why is it\n   so{n}?\n" + RULE + "Since.\n\n",
        RULE + "{n}. Why is it\n   so{n}?\n" + RULE + "\nSince.\n\n",
        "Q{n}. Why is it\n    so{n}?\n" + RULE + "\nSince.\n\n",
    ],
)
def test_a_wrapped_question_above_a_rule_is_a_heading(entry):
    found = pairs("FAQ\n\n" + "".join(entry.format(n=n) for n in (1, 2, 3)))
    assert [answer for _, answer in found] == ["Since."] * 3
    assert all(
        " ".join(asked.split()).endswith(f"Why is it so{n}?")
        for n, (asked, _) in enumerate(found, 1)
    )


def test_prose_that_asks_above_a_rule_is_no_heading():
    text = "He came and\nasked why?\n" + RULE + "Then he left.\n"
    assert pairs(text) == []


@pytest.mark.parametrize("title", ["The foo FAQ", "# Frequently asked questions", "Capital quiz"])
def test_entries_of_a_page_of_questions_ask_without_a_mark(title):
    names = ("Mali", "Chad", "Peru", "Cuba")
    entries = (
        f"{n}) Name the capital of {name}\n   It is {n}.\n\n" for n, name in enumerate(names, 1)
    )
    text = "".join(entries)
    asked = [(f"Name the capital of {name}", f"It is {n}.") for n, name in enumerate(names, 1)]
    assert pairs(f"{title}\n\n{text}") == asked
    assert pairs(f"How to build it\n\n{text}") == []


def test_statements_before_the_first_question_of_a_page_of_questions():
    entries = "1. It fails.\n\nMend it.\n\n2. Why is it so?\n\nOnce.\n\n3. Who did it?\n\nAnn.\n"
    asked = [("Why is it so?", "Once."), ("Who did it?", "Ann.")]
    assert pairs("The foo FAQ\n\n" + entries) == [("It fails.", "Mend it."), *asked]
    assert pairs("Troubles\n\n" + entries) == asked
