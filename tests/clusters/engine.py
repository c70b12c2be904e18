"""What a run has to know of an engine that was started."""

import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True)
class Engine:
    """An engine that takes jobs.

    Attributes:
      name: of the engine.
      version: of the engine, and of what stands between it and Beam.
      options: Beam's, with which it is given a job.
      victims: what may be killed amid a job: name -> words that its command line holds.
    """

    name: str
    version: str
    options: list[str]
    victims: dict[str, str]
