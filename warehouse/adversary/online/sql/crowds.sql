-- Users together, with what was shown to each on that day. Filled in: shown: a query for responses.
CREATE OR REPLACE TEMP TABLE crowds AS
WITH seen AS (
    SELECT user_id, day_number(served_at) AS day, count(*) AS shown
    FROM ({shown}) SEMI JOIN few USING (user_id)
    GROUP BY ALL
)
SELECT few.*, coalesce(seen.shown, 0) AS shown
FROM few
LEFT JOIN seen ON seen.user_id = few.user_id AND seen.day = few.day
