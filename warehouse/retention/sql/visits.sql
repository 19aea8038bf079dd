-- One row per person and UTC day on which a response was shown: the day's signals, the person's past, and on which later days a
-- response was shown to them again. Goes on from the daily.sql of signals. $horizon: how many later days are looked at.
, bounds AS (  -- the day that $moment lies in is not over; days after the log's end are unknown, not empty
    SELECT
        min(day) AS first_day,
        least(max(day), day_number(CAST($moment AS TIMESTAMPTZ)) - 1) AS last_day
    FROM shown
),

framed AS (
    SELECT
        daily.* EXCLUDE (arm),
        CASE WHEN arm IN ('', 'several') THEN NULL ELSE arm END AS arm,
        CAST(coalesce(sum(responses) OVER before, 0) AS BIGINT) AS earlier_responses,
        count(*) OVER before AS earlier_days,
        CAST(coalesce(sum(CAST(love AS BIGINT)) OVER before, 0) AS BIGINT) AS earlier_love_days,
        day - lag(day) OVER (PARTITION BY user_id ORDER BY day) AS days_since_last,
        day - min(day) OVER (PARTITION BY user_id) AS tenure_days,
        list(day) OVER (PARTITION BY user_id ORDER BY day RANGE BETWEEN 1 FOLLOWING AND $horizon FOLLOWING) AS seen
    FROM daily
    WINDOW before AS (PARTITION BY user_id ORDER BY day RANGE BETWEEN 7 PRECEDING AND 1 PRECEDING)
)

SELECT
    user_id,
    DATE '1970-01-01' + CAST(day AS INTEGER) AS day,
    arm,
    responses,
    conversations,
    love,
    liked,
    disliked,
    continues,
    next_messages,
    earlier_responses,
    earlier_days,
    earlier_love_days,
    days_since_last,
    tenure_days,
    day - first_day >= 7 AS past_known,
    CAST(least(last_day - day, $horizon) AS INTEGER) AS followed,
    [CAST(later - day AS INTEGER) FOR later IN coalesce(seen, []) IF later <= last_day] AS later_days
FROM framed
CROSS JOIN bounds
WHERE day <= last_day
ORDER BY user_id, day
