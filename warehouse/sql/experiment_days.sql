-- Exposures and loves of each user by their own day, counted from their first exposure. Filled in: compared: a condition.
WITH mine AS (SELECT * FROM loved WHERE {compared}),
firsts AS (
    SELECT user_id, min(epoch_us(served_at)) AS first_us, row_number() OVER (ORDER BY user_id) - 1 AS number
    FROM mine GROUP BY user_id
)
SELECT number AS user, arm, (epoch_us(served_at) - first_us) // 86_400_000_000 AS day,
    count(*) AS exposures, count(*) FILTER (love) AS loves
FROM mine INNER JOIN firsts USING (user_id)
GROUP BY ALL ORDER BY ALL
