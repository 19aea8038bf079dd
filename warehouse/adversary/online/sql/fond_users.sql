-- Users who loved three responses and more on an affected day.
CREATE OR REPLACE TEMP TABLE few AS
SELECT user_id, day FROM day_loves SEMI JOIN affected_days USING (user_id, day)
GROUP BY user_id, day
HAVING count(DISTINCT response_id) >= 3
