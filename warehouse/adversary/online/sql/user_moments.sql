-- Loves of busy users, and responses shown to them. Filled in: shown: a query for responses.
CREATE OR REPLACE TEMP TABLE user_moments AS
WITH moments AS (
    SELECT user_id, reacted_at AS moment, true AS loved FROM day_loves SEMI JOIN few USING (user_id)
    UNION ALL
    SELECT user_id, served_at, false FROM ({shown}) SEMI JOIN few USING (user_id)
)
SELECT few.user_id, few.day, moment, loved, epoch_us(moment) >= few.day * 86_400_000_000 AS today
FROM few
INNER JOIN moments ON moments.user_id = few.user_id
WHERE epoch_us(moment) // 3_600_000_000 BETWEEN few.day * 24 - 3 AND few.day * 24 + 23
