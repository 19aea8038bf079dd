import json
from typing import Any

import pytest


@pytest.mark.parametrize("moment", ["2026-02-30T00:00:00Z", "2026-03-01T12:00:60Z", "2026-03-01T25:00:00+01:00"])
def test_a_moment_that_does_not_exist_is_a_dead_letter_and_its_neighbours_are_stored(
    feed: Any, product: Any, moment: str
) -> None:
    wrong = json.dumps(json.loads(product.served("r2")) | {"served_at": moment}).encode()
    done = feed.pour(b"\n".join([product.served("r1"), wrong, product.served("r3")]))
    assert [(letter.reason, letter.coordinates.line) for letter in done.dead] == [("invalid_field", 1)]
    assert feed.ask("SELECT response_id FROM responses ORDER BY ALL") == [("r1",), ("r3",)]
