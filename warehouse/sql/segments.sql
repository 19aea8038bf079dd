-- Users of each arm by the day of their first exposure, and by whether they had been there before. Filled in: compared: a condition.
WITH users AS (
    SELECT user_id, arm, coalesce(raw_first_exposure, first_exposure) AS first_exposure
    FROM both_figures WHERE {compared}
),
known AS (
    SELECT DISTINCT user_id FROM responses INNER JOIN users USING (user_id) WHERE served_at < first_exposure
)
SELECT 'first day' AS dimension, CAST(CAST(first_exposure AS DATE) AS VARCHAR) AS segment, arm, count(*) AS users
FROM users GROUP BY ALL
UNION ALL
SELECT 'known before', CASE WHEN known.user_id IS NULL THEN 'new' ELSE 'returning' END, arm, count(*)
FROM users LEFT JOIN known USING (user_id) GROUP BY ALL
ORDER BY ALL
