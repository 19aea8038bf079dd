import numpy as np
import pytest

from training.reward.pairs import coupled, pair_accuracy, read_pairs

YES, NO = True, False


@pytest.mark.parametrize(
    ("named", "preferred", "shared", "words"),
    [
        (["a", "a", "a"], [YES, NO, NO], "xxx", "pair 'a' has 3 rows .1, 2, 3., a pair is two rows"),
        (["a", None, None], [YES, NO, NO], "xxx", "pair 'a' has 1 row .1., a pair is two rows"),
        ([None, "a", "a"], [NO, YES, NO], "xxy", "pair 'a', rows 2 and 3 differ"),
        (["a", "a"], [NO, NO], "xx", "are both not preferred: the label of one must be true"),
    ],
)
def test_what_is_no_pair_is_refused(named: list[str | None], preferred: list[bool], shared: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read_pairs(named, np.array(preferred), list(shared))


def test_accuracy_counts_pairs_in_the_right_order_and_half_of_the_ties() -> None:
    pairs, preferred = np.array([0, 0, 1, 1, -1, 2, 2]), np.array([YES, NO, NO, YES, NO, YES, NO])
    rows = coupled(pairs, preferred)
    assert rows.tolist() == [[0, 1], [3, 2], [5, 6]]
    logits, users = np.array([1.0, 0, 5, 2, 9, 3, 3]), np.array(list("abcdefg"))
    assert pair_accuracy(rows, logits, users).value == pytest.approx(0.5)
