"""Events of lines, faster than by the contract's own reader, which has the last word on whatever is doubtful."""

from datetime import datetime

import msgspec

from streams.events import EARLIEST, LATEST_AHEAD, LONGEST_LINE, NUL, Event, ResponseServed, at_odds, decode, moment_of

_decode = msgspec.json.Decoder(Event).decode


def read(line: bytes, received_at: datetime) -> Event:
    """The event of a line, without what this version of the contract does not know of it, and of whatever version.

    A line that has all fields of the present version as they should be needs no upcaster: those leave it as it is.

    Raises:
        ContractError: As `streams.events.decode` does.
    """
    try:
        event: Event = _decode(line)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return decode(line, received_at=received_at).event
    if (
        len(line) > LONGEST_LINE
        or NUL in line
        or not EARLIEST <= moment_of(event) <= received_at + LATEST_AHEAD
        or (isinstance(event, ResponseServed) and at_odds(event))
    ):
        return decode(line, received_at=received_at).event
    return event
