-- Users by the day of their first flag by the daily job, and by rule; $several stands for more than one rule on one day.
WITH by_day AS (  -- the daily job stamps users with the last moment of the day that it judged, groups with the next
    SELECT user_id, CAST(timezone('UTC', flagged_at - to_microseconds(1)) AS DATE) AS day, list(DISTINCT rule) AS rules
    FROM flags
    WHERE source = 'periodic' AND subject = 'user' AND score >= 1
    GROUP BY user_id, day
),
first AS (SELECT user_id, min(day) AS day, arg_min(rules, day) AS rules FROM by_day GROUP BY user_id)
SELECT day, CASE WHEN len(rules) = 1 THEN rules[1] ELSE $several END AS rule, count(*) AS users
FROM first
GROUP BY day, rule
ORDER BY day, rule
