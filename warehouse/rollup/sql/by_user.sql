-- Parts of users' sums summed up: first by UTC day, so that the second day is found. Filled in: parts: a query for them.
WITH days AS (
    SELECT experiment, arm, user_id,
        min(served_at) AS first_at,
        max(served_at) AS last_at,
        sum(exposures) AS exposures,
        sum(closings) AS closings,
        sum(loves) AS loves,
        min(first_love_at) AS first_love_at
    FROM ({parts})
    GROUP BY experiment, arm, user_id, day_number(served_at)
)
SELECT experiment, arm, user_id,
    min(first_at) AS first_exposure_at,
    max(last_at) AS last_exposure_at,
    min(first_at, 2)[2] AS returned_at,
    CAST(sum(exposures) AS BIGINT) AS exposures,
    CAST(sum(closings) AS BIGINT) AS closings,
    CAST(sum(loves) AS BIGINT) AS loves,
    min(first_love_at) AS first_love_at
FROM days GROUP BY experiment, arm, user_id
