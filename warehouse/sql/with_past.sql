-- The rows of `compared` with what each user was shown in the $days days before the first exposure, and how many of it they loved before it.
WITH shown AS (
    SELECT user_id, response_id, any_value(first_exposure) AS first_exposure
    FROM responses INNER JOIN compared USING (user_id)
    WHERE served_at < first_exposure AND served_at >= first_exposure - to_days(CAST($days AS INTEGER))
    GROUP BY user_id, response_id
),
loved AS (
    SELECT DISTINCT shown.user_id, shown.response_id
    FROM shown INNER JOIN reactions USING (user_id, response_id)
    WHERE is_love(reaction, action) AND reacted_at < first_exposure
),
past AS (
    SELECT user_id, count(*) AS past_exposures, count(loved.response_id) AS past_loves
    FROM shown LEFT JOIN loved USING (user_id, response_id) GROUP BY user_id
)
SELECT compared.*, coalesce(past_exposures, 0) AS past_exposures, coalesce(past_loves, 0) AS past_loves
FROM compared LEFT JOIN past USING (user_id)
