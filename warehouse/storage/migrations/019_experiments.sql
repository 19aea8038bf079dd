-- What experiments are read from without their texts. All of it but experiment_changes is a function of the log, kept by the ingest
-- transaction (warehouse/rollup/sums.py); views/6_experiments.sql says what it must equal.

-- One row a user in an arm. An exposure is the first telling of a response_id among those under an experiment.
CREATE TABLE experiment_users (
    experiment VARCHAR,
    arm VARCHAR,
    user_id VARCHAR,
    first_exposure_at TIMESTAMPTZ,
    last_exposure_at TIMESTAMPTZ,
    returned_at TIMESTAMPTZ,        -- the first exposure on a later UTC day than the first one; NULL for none
    exposures BIGINT,
    closings BIGINT,                -- exposures that say goodbye although the user did not
    loves BIGINT,                   -- exposures that are loved now by the user who was shown them
    first_love_at TIMESTAMPTZ       -- of the user on one of them, taken back later or not; NULL for none
);

-- What experiment_users lacks: it is added once there is enough of it to pay for a search of the log (a fold).
CREATE TABLE experiment_backlog (
    user_id VARCHAR,
    response_id VARCHAR,            -- of a response under an experiment; NULL for a reaction
    experiment VARCHAR,
    arm VARCHAR,
    served_at TIMESTAMPTZ,          -- NULL where the user must be counted anew: for a reaction, and for what left the log
    closing BOOLEAN
);

-- Responses under an experiment that say goodbye although the user did not, as they were judged when they came.
CREATE TABLE experiment_closings (event_id UUID);

-- What people did with an experiment; only ever appended to. It names no user of the product.
CREATE TABLE experiment_changes (
    experiment VARCHAR,
    changed_at TIMESTAMPTZ,
    changed_by VARCHAR,
    action VARCHAR,                 -- planned | started | ramped | rolled_back | stopped | archived
    why VARCHAR,
    definition VARCHAR              -- JSON
);
