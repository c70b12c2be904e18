import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.annotate import OBJECTIVES, trained_actions

PLAYERS = st.lists(st.integers(0, 2)).map(lambda each: np.array(each, np.uint8))


@given(PLAYERS)
def test_player_one_two_and_nature_part_the_actions_of_all(player):
    both = trained_actions(player, "player-one") ^ trained_actions(player, "player-two")
    assert (both == (player > 0)).all()
    assert trained_actions(player, "all").all()


def test_masks_keep_the_shape_of_their_players():
    player = np.array([[0, 1], [2, 2]], np.uint8)
    assert trained_actions(player, "player-two").tolist() == [[False, False], [True, True]]


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_no_player_no_action(objective):
    assert trained_actions(np.zeros(0, np.uint8), objective).tolist() == []


def test_unknown_objectives_and_other_dtypes_are_refused():
    with pytest.raises(ValueError, match="no objective 'sft'; choose one of all"):
        trained_actions(np.zeros(1, np.uint8), "sft")
    with pytest.raises(ValueError, match="uint8, got int64"):
        trained_actions(np.zeros(1, np.int64), "all")
