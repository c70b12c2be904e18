"""An assignment to a variable q or a is no label."""

from benchmarks.segmentation.rules import segment_by_rules


def test_assignments_are_no_labels() -> None:
    code = "    Q := PQuotient( F, p, 1 );\n    A := Image( Q );\n    return A;\n"
    assert not any(span.episode is not None for span in next(iter(segment_by_rules([code]))))


def test_the_same_lines_with_a_colon_are_an_episode() -> None:
    text = "    Q : What is a quotient of F?\n    A : Its image.\n"
    assert any(span.episode is not None for span in next(iter(segment_by_rules([text]))))
