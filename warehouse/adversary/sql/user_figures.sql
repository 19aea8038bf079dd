-- What some users were shown and loved, middle values over them. Filled in: which, a condition; middle, an aggregate.
WITH shown AS (
    SELECT user_id, count(*) AS responses, count(DISTINCT day_number(served_at)) AS days,
        min(served_at) AS first_seen, max(served_at) AS last_seen
    FROM served WHERE {which} GROUP BY user_id
),

given AS (
    SELECT user_id, response_id, event_id, reacted_at, day_number(reacted_at) AS day, dwell_ms,
        device_id, network_id
    FROM reactions WHERE is_love(reaction, action) AND {which}
),

daily AS (SELECT user_id, day, count(DISTINCT response_id) AS loves FROM given GROUP BY ALL),

loving AS (
    SELECT user_id, count(DISTINCT response_id) AS loves, median(dwell_ms) / 1000 AS seconds,
        count(DISTINCT device_id) AS devices, count(DISTINCT network_id) AS networks
    FROM given GROUP BY user_id
),

busiest AS (SELECT user_id, max(loves) AS most FROM daily GROUP BY user_id),

each AS (
    SELECT * FROM (SELECT user_id FROM shown UNION SELECT user_id FROM given)
    LEFT JOIN shown USING (user_id)
    LEFT JOIN loving USING (user_id)
    LEFT JOIN busiest USING (user_id)
)

SELECT
    {middle}(coalesce(responses, 0)) AS responses_shown,
    {middle}(coalesce(days, 0)) AS days_with_responses,
    {middle}(coalesce(loves, 0)) AS responses_loved,
    {middle}(loves / responses) AS share_loved,
    {middle}(coalesce(most, 0)) AS loves_on_the_busiest_day,
    {middle}(seconds) AS seconds_until_a_love,
    {middle}(devices) AS devices,
    {middle}(networks) AS networks
FROM each
