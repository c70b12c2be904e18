import pytest

from tests.transforms.segmenting import contents, games, pairs, seen

ASKED, SAID = "Does it work?", "It does."


@pytest.mark.parametrize(
    "text",
    [
        "Ann Lee wrote:\n> Does it work?\n\nIt does.\n",
        "ann@example.org (Ann Lee) writes:\n>Does it work?\n\nIt does.\n",
        "On Wed, Jan 1, 2020 at 10:00, Ann <ann@example.org> wrote:\n\n> Does it work?\nIt does.",
        "On Wed, Jan 1, 2020, Ann Lee\n<ann@example.org> wrote:\n> Does it work?\nIt does.",
        "At 15:14 1/1/96, Ann Lee wrote:\n> Does it work?\nIt does.\n",
        "Ann Lee wrote:\n| Does it work?\n\nIt does.\n",
        "On 1 May 2020, Ann Lee <ann@example.org> wrote:\n: Does it work?\n\nIt does.\n",
        "Ann Lee wrote:\n} Does it work?\n\nIt does.\n",
        "W dniu 1.5.2020 Ann Lee pisze:\n> Does it work?\n\nIt does.\n",
        "Am 1. Mai 2020 um 10:00 schrieb Ann Lee:\n> Does it work?\n\nIt does.\n",
        "Le 1 mai 2020 à 10:00, Ann Lee a écrit :\n> Does it work?\n\nIt does.\n",
        "Ann Lee writes:\nAL> Does it work?\n\nIt does.\n",
        '>>>>> "Ann" == Ann Lee <ann@example.org> writes:\n\n> Does it work?\n\nIt does.\n',
        "From: Bo\nTo: Ann\nSubject: Re: it\n\n> Does it work?\n\nIt does.\n",
        "From: Bo\nIn-Reply-To: <1@example.org>\n\n> Does it work?\n\nIt does.\n",
        "Ann wrote:\n> Does it work?\n\nIt does.\n\n--\nBo\n>>> x = 1\n",
        "Hello.\n\nAnn Lee wrote:\n> Does it work?\n\nIt does.\n",
        "Ann Lee wrote:\n> Does it work?\n\nIt does.\n\n-- \nBo\n",
        "Ann Lee wrote:\n> Does it work?\n\nIt does.\n\n_______________\nlist mailing list\n",
        "Ann Lee wrote:\n> Does it work?\n\nIt does.\n\nFrom: Ann\nTo: Bo\n\nThanks.\n",
        "Ann Lee wrote:\r\n> Does it work?\r\n\r\nIt does.\r\n",
    ],
)
def test_quotations_in_their_varieties(text):
    assert pairs(text) == [(ASKED, SAID)]
    assert games(text) == {"quoting"}


def test_interleaved_replies_are_episodes():
    text = (
        "Ann wrote:\n> One?\n> Or two?\nOne.\n\n> Why?\n>\n> And when?\n\nSo.\n\nNow.\n\n> Bye.\n"
    )
    assert pairs(text) == [("One?", "Or two?", "One."), ("Why?", "And when?", "So.\n\nNow.")]


def test_marks_and_attribution_are_markers():
    assert [tuple(span[:6]) for span in seen("Ann wrote:\n> One?\n> Two?\nThree.\n")] == [
        ("marker", 0, "quoting", 0, 0, "Ann wrote:"),
        ("marker", 0, "quoting", 0, 0, "\n"),
        ("marker", 0, "quoting", 0, 0, ">"),
        ("marker", 0, "quoting", 0, 0, " "),
        ("question", 1, "quoting", 0, 0, "One?"),
        ("marker", 1, "quoting", 0, 0, "\n"),
        ("marker", 1, "quoting", 0, 0, ">"),
        ("marker", 1, "quoting", 0, 0, " "),
        ("question", 1, "quoting", 0, 0, "Two?"),
        ("marker", 2, "quoting", 0, 1, "\n"),
        ("answer", 2, "quoting", 0, 1, "Three."),
        ("text", 0, "text", None, None, "\n"),
    ]


@pytest.mark.parametrize(
    ("quoted", "asked"),
    [
        ("> > A?\n> B.\n", ("> A?", "B.")),
        (">> A?\n> B.\n", ("> A?", "B.")),
        (">> A?\n>> B.\n", ("A?", "B.")),
        (">> A?\n>>\n> B.\n>\n", ("> A?", ">", "B.")),
        ("> Cy wrote:\n>> A?\n> B.\n", ("Cy wrote:", "> A?", "B.")),
    ],
)
def test_the_level_that_is_replied_to_asks_with_what_it_quotes(quoted, asked):
    assert pairs(f"Bo wrote:\n{quoted}\nC.\n") == [(*asked, "C.")]


def test_the_rest_of_a_quoted_line_that_was_broken_is_quoted():
    asked = "Would it not be better, all things considered, to do it in"
    assert pairs(f"Ann wrote:\n> {asked}\nother ways?\n> Or so?\n\nNo.\n") == [
        (asked, "other ways?", "Or so?", "No.")
    ]


def test_a_long_word_inside_a_quotation_is_quoted():
    word = "M" * 60
    assert pairs(f"Ann wrote:\n> A\n>{word}\n>{word}\n> B?\n\nC.\n") == [
        ("A", word, word, "B?", "C.")
    ]


def test_a_signature_ends_a_message_and_what_shows_it():
    text = "Ann wrote:\n> A?\n\nB.\n\n-- \nBo\n\n> C?\n\nD.\n"
    assert pairs(text) == [("A?", "B.")]


@pytest.mark.parametrize(
    "text",
    [
        "Ann wrote:\n> Does it work?\n",  # no reply
        "It does.\n\nAnn wrote:\n> Does it work?\n\n-- \nBo\n",  # a reply above
        "Ann wrote:\n> Does it work?\n\n[snip]\n",  # nothing said
        "Ann wrote:\n> Does it work?\n\nBo Doe <bo@example.org>\n",  # signed, no more
        "Ann wrote:\n>\n>\nIt does.\n",  # nothing quoted
        "It says:\n\n> Know thyself.\n\nThat is hard.\n\n> Nothing too much.\n\nSo is that.\n",
        "As Ann wrote:\n\n> Know thyself.\n\nThat is hard.\n",  # prose
        "Ann writes about 1984. It is a book that goes on:\n\n> Big.\n\nNo.\n\n> B.\n\nC.\n",
        "> **Note**\n> Beware.\n\nText.\n\n> **Tip**\n> Do.\n\nText.\n",
        "Run this:\n> ls\nfile\n> pwd\n/home\n",  # a shell
        "As in R:\n> 1 + 1\n[1] 2\n",
        "diff:\n< a\n---\n> b\n5c5\n< c\n---\n> d\n",
        "    > indented\n\ncode\n",
        "x -> y\n=> z\n",
        # Encoded data, the mark of a line that began with From, a doctest.
        "Ann wrote:\n" + "M" * 60 + "\n>" + "M" * 60 + "\n" + "M" * 60 + "\n",
        "From: Ann\nSubject: Re: it\n\nText.\n\n>From here on.\n\nMore.\n",
        "Ann wrote this:\n>>> x = 1\n\nIt prints nothing.\n\n>>> y = 1\n\nNor this.\n",
        "From: Ann\nTo: Bo\nSubject: it\n\n> Does it work?\n\nIt does.\n",  # no reply
    ],
)
def test_what_is_no_quoting(text):
    assert "quoting" not in games(text)


def test_doctest_is_not_quoted_mail():
    assert games("She wrote:\n\n>>> 1 + 1\n2\n") == {"doctest"}


@pytest.mark.parametrize(
    ("text", "n_episodes"),
    [
        ("Ann wrote:\n" + "> x?\ny.\n" * 5_000, 5_000),
        ("> x?\ny.\n" * 20_000, 0),
        ("Ann wrote:\n" * 20_000, 0),
        ("Ann wrote:\n" + ">" * 100_000 + " x?\ny.\n", 1),
        ("Ann wrote:\n" + "".join(">" * n + " x\n" for n in range(1, 300)) + "y.\n", 1),
        ("Ann wrote:\n>>> " + ": writes" * 20_000 + "\n> x?\ny.\n", 1),
        ("Ann wrote:\n> x?\n" + "y\n\n" * 20_000, 0),
        ("From: a\nTo: b\n" * 20_000, 0),
    ],
    ids=lambda value: repr(value[:20]) if isinstance(value, str) else str(value),
)
def test_long_documents(text, n_episodes):
    assert "".join(span.text for span in seen(text)) == text
    assert len([kind for kind, _ in contents(text) if kind == "answer"]) == n_episodes
