-- What the search for groups keeps of the last weeks: loves with fingerprints of what was loved and from where, and who was in which group.

CREATE TABLE group_loves (
    day DATE,                       -- of reacted_at, UTC; days that left the window are dropped
    event_id UUID,                  -- the reaction's
    user_id VARCHAR,
    reacted_at TIMESTAMPTZ,
    prompt VARCHAR,                 -- fingerprints; NULL where the response is not there or is older than two days
    response VARCHAR,
    device VARCHAR,                 -- as the event has them
    network VARCHAR,
    label VARCHAR                   -- the user's own last message, shortened, for explaining
);

CREATE TABLE group_members (
    day DATE,                       -- on which the group was found
    rule VARCHAR,                   -- lockstep | dense_block
    name VARCHAR,                   -- the group's; it keeps it from day to day
    user_id VARCHAR
);
