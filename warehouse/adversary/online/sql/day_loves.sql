-- Loves of the affected days. Filled in: loves: a query for them.
CREATE OR REPLACE TEMP TABLE day_loves AS
SELECT *, day_number(reacted_at) AS day FROM ({loves})
