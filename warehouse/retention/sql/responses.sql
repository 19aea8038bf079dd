-- Every response shown to a person who counts, with its text. Goes on from signals/daily.sql.
SELECT
    shown.user_id,
    DATE '1970-01-01' + CAST(shown.day AS INTEGER) AS day,
    served.served_at,
    CAST(served.conversation AS VARCHAR) AS conversation,
    served.response
FROM shown
JOIN served ON served.response_id = shown.response_id
ORDER BY shown.user_id, shown.at_us, shown.response_id
