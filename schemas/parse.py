"""JSON of files that may be damaged, or made to do damage."""

import json
from typing import Any


def parsed_json(text: str | bytes) -> Any:  # noqa: ANN401 JSON holds anything
    """The value of a JSON text.

    Raises:
      ValueError: if it is no JSON, nested deeper than a parser can follow, or holds half a
        character.

    Example:
      >>> parsed_json('{"is_truncated": false}')
      {'is_truncated': False}
    """
    try:
        value = json.loads(text)
        raw = text if isinstance(text, bytes) else text.encode(errors="surrogatepass")
        if b"\\ud" in raw.lower():
            # The two halves of a character stand together, or nothing can write them.
            json.dumps(value, ensure_ascii=False).encode()
        return value
    except RecursionError as error:
        # A RuntimeError, which nobody expects of bad input.
        msg = "nested too deep"
        raise ValueError(msg) from error
