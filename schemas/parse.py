"""JSON of files that may be damaged, or made to do damage."""

import json
from typing import Any


def parsed_json(text: str | bytes) -> Any:  # noqa: ANN401 JSON holds anything
    """The value of a JSON text.

    Raises:
      ValueError: if it is no JSON, or nested deeper than a parser can follow.

    Example:
      >>> parsed_json('{"is_truncated": false}')
      {'is_truncated': False}
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        # A RuntimeError, which nobody expects of bad input.
        msg = "nested too deep"
        raise ValueError(msg) from error
