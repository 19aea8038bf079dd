-- Loves of the affected days. Filled in: loves: a query for them.
CREATE OR REPLACE TEMP TABLE day_loves AS
SELECT *, epoch_us(reacted_at) // 86_400_000_000 AS day FROM ({loves})
