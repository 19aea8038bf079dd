-- Users with ten loves and more around an affected day.
CREATE OR REPLACE TEMP TABLE few AS
SELECT affected_days.user_id, affected_days.day
FROM affected_days
INNER JOIN day_loves ON day_loves.user_id = affected_days.user_id
WHERE epoch_us(reacted_at) // 3_600_000_000 BETWEEN affected_days.day * 24 - 1 AND affected_days.day * 24 + 23
GROUP BY ALL
HAVING count(*) >= 10
