-- subject: user
-- version: 1
-- More than 12 loves by one user within 60 minutes. One flag for each clock hour in which that happens, at the first love too many;
-- the score is how many times the limit was given at worst. Input: touched_hours (user_id, hour), and reactions_around them.
WITH rule AS (SELECT 12 AS loves),

counted AS (
    SELECT
        user_id,
        reacted_at,
        count(*) OVER (
            PARTITION BY user_id ORDER BY reacted_at RANGE BETWEEN INTERVAL 1 HOUR PRECEDING AND CURRENT ROW
        ) AS within_the_hour
    FROM reactions_around
    SEMI JOIN touched_hours USING (user_id)
    WHERE reaction = 'love' AND action = 'added'
)

SELECT
    counted.user_id,
    CAST(NULL AS UUID) AS event_id,
    CAST(NULL AS VARCHAR) AS response_id,
    max(within_the_hour) / rule.loves AS score,
    json_object('loves_within_the_hour', max(within_the_hour), 'limit', rule.loves) AS evidence,
    min(reacted_at) AS flagged_at
FROM counted
CROSS JOIN rule
INNER JOIN touched_hours ON touched_hours.user_id = counted.user_id AND touched_hours.hour = date_trunc('hour', counted.reacted_at)
WHERE within_the_hour > rule.loves
GROUP BY counted.user_id, touched_hours.hour, rule.loves
