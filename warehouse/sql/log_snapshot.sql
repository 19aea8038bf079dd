-- What has been read of the log, and how much of it is mature at $moment ($hours old): one row.
SELECT
    (SELECT count(*) FROM responses) AS responses,
    (SELECT count(*) FROM reactions) AS reactions,
    (SELECT count(*) FROM erasures) AS erasures,
    (SELECT count(*) FROM dead_letters WHERE redriven_at IS NULL) AS dead_letters,
    (
        SELECT count(*) FROM responses
        WHERE served_at <= mature_until($moment, $hours)
    ) AS mature,
    (SELECT CAST(max(served_at) AS VARCHAR) FROM responses) AS last_served_at,
    (SELECT CAST(max(reacted_at) AS VARCHAR) FROM reactions) AS last_reacted_at
