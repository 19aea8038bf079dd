-- subject: user
-- input: crowds
-- version: 1
-- Five or more users give loves from one device within a day (UTC): more than a household. Everybody who did is flagged, with the device as
-- key, once they are five.
SELECT
    user_id,
    count(*) OVER crowd / 5.0 AS score,
    json_object('users_on_the_device', count(*) OVER crowd, 'loves', loves, 'shown', shown) AS evidence,
    first_at AS flagged_at,
    to_timestamp((day - 7) * 86400) AS since,
    key
FROM crowds
WHERE kind = 'device'
WINDOW crowd AS (PARTITION BY key, day)
