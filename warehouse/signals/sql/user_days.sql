-- One row per person and UTC day on which a response was shown: the signals of that day, what may confound them, and whether the
-- person was still there. Goes on from daily.sql. $first and $last: the outcome's days, counted from the row's own day.
-- RANGE counts days, not rows: a day without a visit has no row.
, framed AS (
    SELECT
        *,
        CAST(coalesce(sum(responses) OVER before, 0) AS BIGINT) AS earlier_responses,
        day - min(day) OVER (PARTITION BY user_id) AS tenure_days,
        count(*) OVER (PARTITION BY user_id ORDER BY day RANGE BETWEEN 1 FOLLOWING AND 1 FOLLOWING) > 0 AS returned,
        count(*) OVER (PARTITION BY user_id ORDER BY day RANGE BETWEEN $first FOLLOWING AND $last FOLLOWING) > 0 AS retained
    FROM daily
    WINDOW before AS (PARTITION BY user_id ORDER BY day RANGE BETWEEN 7 PRECEDING AND 1 PRECEDING)
)

SELECT
    user_id,
    DATE '1970-01-01' + CAST(day AS INTEGER) AS day,
    responses,
    conversations,
    love,
    liked,
    disliked,
    continues,
    next_messages,
    returned,
    earlier_responses,
    tenure_days,
    arm,
    retained
FROM framed
WHERE
    day >= (SELECT min(day) FROM shown) + 7
    AND (day + $last + 1) * 86400000000 <= epoch_us(CAST($moment AS TIMESTAMPTZ))
    AND day + $last <= (SELECT max(day) FROM shown)  -- days after the log's end are unknown, not empty
ORDER BY user_id, day
