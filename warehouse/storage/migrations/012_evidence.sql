-- The daily job against adversaries: what it remembers from one day of event time to the next, and what it concludes.

-- A user's weight in the clean feedback. Nobody's row is missing wrongly: who has none has weight 1.
CREATE TABLE user_trust (
    user_id VARCHAR,
    trust DOUBLE,                   -- chance that the user is honest, in [0, 1]
    day DATE,                       -- the last day that was judged with something new about the user
    reasons VARCHAR                 -- JSON
);

-- What a user was shown on a day, and how many loves users like them would have given. Kept for a window of days.
CREATE TABLE user_evidence (
    user_id VARCHAR,
    day DATE,                       -- of serving, and for loves of reacting
    part VARCHAR,                   -- all | unlikely (responses that other users seldom love) | arm:EXPERIMENT/ARM
    exposures BIGINT,
    expected DOUBLE,                -- loves, by models that learnt from other users
    loves BIGINT,
    surprise DOUBLE                 -- sum over the loves of -ln(chance)
);

-- The loves that are counted in user_evidence already, for as long as a late copy may still come.
CREATE TABLE counted_loves (
    user_id VARCHAR,
    response_id VARCHAR,
    reacted_at TIMESTAMPTZ
);

-- The models that say which responses are loved, as the last day left them.
CREATE TABLE adversary_models (
    day DATE,
    model BLOB
);

-- One row a day that was judged.
CREATE TABLE adversary_days (
    day DATE,
    versions VARCHAR,               -- of the periodic rules
    honest_loss DOUBLE,
    report VARCHAR                  -- JSON: rows read, users judged, flags by rule, seconds by part
);
