-- subject: reaction
-- input: loved_texts
-- version: 1
-- A user loves the same exchange (last message and response, but for case and punctuation) three times or more within a day, under different
-- response ids. All but the first love are left out; the score is how often the exchange was loved, in threes.
WITH normal AS (
    SELECT
        *,
        md5(regexp_replace(lower(prompt || ' > ' || response), '[^\p{L}\p{N}>]+', ' ', 'g')) AS exchange
    FROM loved_texts
),

counted AS (
    SELECT
        *,
        count(DISTINCT response_id) OVER (PARTITION BY user_id, day, exchange) AS times,
        row_number() OVER (PARTITION BY user_id, day, exchange ORDER BY reacted_at, event_id) AS place
    FROM normal
)

SELECT
    user_id,
    event_id,
    response_id,
    times / 3.0 AS score,
    json_object('times_loved', times, 'place', place) AS evidence,
    reacted_at AS flagged_at
FROM counted
WHERE times >= 3 AND place > 1
