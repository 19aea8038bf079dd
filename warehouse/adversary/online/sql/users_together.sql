-- Users who loved from an affected device or network, where there are five loves and more.
CREATE OR REPLACE TEMP TABLE few AS
WITH places AS (
    SELECT user_id, day, reacted_at, 'device' AS kind, device_id AS key FROM day_loves
    UNION ALL
    SELECT user_id, day, reacted_at, 'network', network_id FROM day_loves
)
SELECT kind, key, day, user_id, count(*) AS loves, min(reacted_at) AS first_at
FROM places
SEMI JOIN affected_keys USING (kind, key, day)
GROUP BY kind, key, day, user_id
QUALIFY count(*) OVER (PARTITION BY kind, key, day) >= 5
