import numpy as np

from streams.events import new_event_id
from streams.synthetic.moments import event_ids, moment, names_of


def test_many_event_ids_at_once_are_those_that_the_contract_makes_one_by_one() -> None:
    at = np.array([1, 946_684_800_000, 1_767_225_600_123, 4_102_444_799_999])
    chance = np.random.default_rng(4).integers(0, 2**62, size=(4, 2)).tolist()
    bits = [(high & 0xFFF) << 62 | low for high, low in chance]
    expected = [new_event_id(moment(when), each) for when, each in zip(at.tolist(), bits, strict=True)]
    assert event_ids(np.random.default_rng(4), at) == expected


def test_names_sort_by_time_and_differ_within_a_millisecond() -> None:
    at = np.repeat(np.arange(1_767_225_600_000, 1_767_225_600_010), 100)
    names = names_of(np.random.default_rng(1), at)
    assert len(set(names)) == len(names)
    assert [name[:12] for name in names] == sorted(name[:12] for name in names)
