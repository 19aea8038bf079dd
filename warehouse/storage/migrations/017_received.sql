-- When a line was received, beside what it says of its own moment: an erasure takes what came before it, whatever its stamp. NULL in older
-- rows: they came before every request that is stored from now on.
-- New warehouses have the column from the start: on a lake a change of columns leaves a table behind, which upkeep drops when no reader is in it.
ALTER TABLE responses ADD COLUMN IF NOT EXISTS received_at TIMESTAMPTZ;
ALTER TABLE reactions ADD COLUMN IF NOT EXISTS received_at TIMESTAMPTZ;
ALTER TABLE erasures ADD COLUMN IF NOT EXISTS received_at TIMESTAMPTZ;

-- What was erased although its own stamp lies behind the request (a clock ran ahead), and dead letters that were erased: a copy of it, read
-- again, is known by this and by nothing else. sha256('loveloop-erasure:' || event_id), or of the letter's bytes.
CREATE TABLE erased_copies (
    user_hash VARCHAR,
    fingerprint VARCHAR
);
