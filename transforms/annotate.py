"""Which actions of a row are in the loss."""

import numpy as np
import numpy.typing as npt

from schemas.episode import Player

OBJECTIVES: dict[str, tuple[Player, ...]] = {
    "all": (Player.NATURE, Player.ONE, Player.TWO),
    "player-one": (Player.ONE,),
    "player-two": (Player.TWO,),
}
"""The players whose actions each objective trains."""


def trained_actions(player: npt.NDArray[np.uint8], objective: str) -> npt.NDArray[np.bool_]:
    """The loss mask: 1[P(s_t) is a player that the objective trains].

    `all` is pre-training, sum over t = 1..T of log pi(a_t | s_t), the first action included, since
    BOS stands for s_1 = []. `player-two` is SFT, the same sum over P(s_t) = 2 alone, and
    `player-one` its mirror image. Nature's tokens are trained under `all` only. BOS is no action:
    whoever puts it before a row leaves it out of the mask.

    Args:
      player: uint8, any shape, P(s_t) of each action a_t.
      objective: a key of OBJECTIVES.

    Returns:
      bool, the shape of player: True where (s_t, a_t) is in the loss.

    Raises:
      ValueError: if there is no such objective, or player is not uint8.

    Source: Liu, Sun, Li (2024), arXiv:2402.08078, eq. 7 (`all`) and eq. 8 (`player-two`).

    Example:
      >>> trained_actions(np.array([0, 1, 2, 2], np.uint8), "player-two").tolist()
      [False, False, True, True]
    """
    if objective not in OBJECTIVES:
        msg = f"no objective {objective!r}; choose one of {', '.join(OBJECTIVES)}"
        raise ValueError(msg)
    if player.dtype != np.uint8:
        msg = f"players are uint8, got {player.dtype}: pass the flattened `player` column"
        raise ValueError(msg)
    is_trained = np.zeros(1 << 8, np.bool_)
    is_trained[list(OBJECTIVES[objective])] = True
    return is_trained[player]
