-- A dead letter can be judged again (`loveloop dead-letters redrive`); it stays as evidence of what came, with its outcome.

CREATE TABLE lasting_letters AS
SELECT
    kafka_topic,
    kafka_partition,
    kafka_offset,
    kafka_line,
    reason,
    detail,
    body,
    received_at,
    CAST(NULL AS VARCHAR) AS topic_id,          -- the life of the topic in which it was read; NULL in letters older than this column
    nullif(regexp_extract(TRY(decode(body)), '"user_id"\s*:\s*"([^"\\]{1,256})"', 1), '') AS user_id, -- as far as the bytes tell
    CAST(NULL AS TIMESTAMPTZ) AS redriven_at,   -- when it was judged again and found good; NULL while it is open
    CAST(NULL AS VARCHAR) AS outcome,           -- stored | duplicate | erased; NULL while it is open
    CAST(NULL AS BLOB) AS corrected             -- what was read in place of body, when an operator put it right
FROM dead_letters;
DROP TABLE dead_letters;
ALTER TABLE lasting_letters RENAME TO dead_letters;
