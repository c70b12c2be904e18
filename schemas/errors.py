"""The one exception that is meant for the person at the terminal."""


class UserError(Exception):
    """Something the user can mend; its text says what is wrong, where, and what to do.

    The command line prints the text as one line and exits with 1. Everything else that is raised
    is a fault of the program and keeps its traceback.
    """
