"""The Perl FAQ, by pod2text: `=head2` asks, its body answers; its index is negative."""

from collections.abc import Iterator

from benchmarks.segmentation.gold import GoldSet
from benchmarks.segmentation.packages import Packages, found_in
from benchmarks.segmentation.pod import pod_document

_PODS = "usr/share/perl/*/pod/perl*faq*.pod"


def build(packages: Packages) -> Iterator[GoldSet]:
    """`perlfaq`, `perlfaq-flat` and `neg-toc`."""
    pods = found_in(packages.debian("perl-doc"), _PODS)
    for name, indent in (("perlfaq", 4), ("perlfaq-flat", 0)):
        answered = [pod for pod in pods if pod.stem != "perlfaq"]
        yield GoldSet(
            name=name,
            source="perlfaq",
            kind="pairs",
            note=f"the Perl FAQ by pod2text, indented by {indent}",
            documents=tuple(pod_document(p, indent, name=p.stem, level=2) for p in answered),
        )
    (index,) = (pod for pod in pods if pod.stem == "perlfaq")
    yield GoldSet(
        name="neg-toc",
        source="neg-toc",
        kind="negative",
        note="the Perl FAQ's index of questions, in two renderings",
        documents=tuple(pod_document(index, i, name=f"perlfaq-i{i}", level=None) for i in (4, 0)),
    )
