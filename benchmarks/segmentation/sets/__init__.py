"""Gold sets by source. A new source is one module that ends in `build` and one entry of SOURCES."""

from collections.abc import Callable, Iterator

from benchmarks.segmentation.gold import GoldSet
from benchmarks.segmentation.packages import Packages
from benchmarks.segmentation.sets import (
    debian_faq,
    docstrings,
    exemplar_forms,
    exemplars,
    mail,
    manual_faqs,
    notebooks,
    perlfaq,
    python_faq,
    reference,
    relaid,
    rounds,
    worked,
)

SOURCES: dict[str, Callable[[Packages], Iterator[GoldSet]]] = {
    "perlfaq": perlfaq.build,
    "python-faq": python_faq.build,
    "worked": worked.build,
    "reference": reference.build,
    "debian-faq": debian_faq.build,
    "manual-faqs": manual_faqs.build,
    "exemplars": exemplars.build,
    "exemplar-forms": exemplar_forms.build,
    "rounds": rounds.build,
    "mail": mail.build,
    "notebooks": notebooks.build,
    "relaid": relaid.build,
    "docstrings": docstrings.build,
}
"""Builders; each fetches its packages and yields its sets."""
