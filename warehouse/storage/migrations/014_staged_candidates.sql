-- What a live experiment is held against, and what every reading of it said. Neither table holds a user's name or text.

-- One row a candidate that a run staged: what its loop predicted, and what it was made from.
CREATE TABLE staged_candidates (
    name VARCHAR,                   -- under which it is served: `policy` of its responses
    policy VARCHAR,                 -- fingerprint of its weights
    predicted_lift DOUBLE,          -- of the Love rate, relative: 0.1 is +10 %
    predicted_low DOUBLE,
    predicted_high DOUBLE,
    training_set VARCHAR,           -- hash
    run VARCHAR,
    cycle INTEGER,
    staged_at TIMESTAMPTZ,
    lineage VARCHAR                 -- JSON
);

-- Only ever appended to.
CREATE TABLE experiment_readouts (
    experiment VARCHAR,
    read_at TIMESTAMPTZ,
    decision VARCHAR,               -- ship | stop | continue | invalid
    readout VARCHAR                 -- JSON
);
