"""Numbers in sentences for people."""


def counted(number: int, noun: str) -> str:
    """A number of things.

    Example:
      >>> counted(1, "document"), counted(2, "chat example")
      ('1 document', '2 chat examples')
    """
    return f"{number} {noun}{'' if number == 1 else 's'}"
