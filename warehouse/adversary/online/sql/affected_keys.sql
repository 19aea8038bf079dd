-- Days of devices and networks that the change says something about. Filled in: change.
CREATE OR REPLACE TEMP TABLE affected_keys AS
WITH loves AS (
    SELECT device_id, network_id, day FROM day_loves SEMI JOIN affected_days USING (user_id, day)
    UNION ALL
    SELECT device_id, network_id, day_number(reacted_at) FROM {change.reactions}
    WHERE is_love(reaction, action)
)
SELECT DISTINCT 'device' AS kind, device_id AS key, day FROM loves WHERE device_id IS NOT NULL
UNION ALL
SELECT DISTINCT 'network', network_id, day FROM loves WHERE network_id IS NOT NULL
