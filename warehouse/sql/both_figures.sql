-- A row a user and arm: the figures, and with raw_ before them those of nobody left out. Raw figures stand where they may differ: NULL in most
-- rows, which costs nothing. What is mature is older than what is young, so that the first exposure and the first return are what they were.
-- Filled in: cutoff: until when responses are mature; settled, clean, raw: lists of columns.
WITH settled AS (
    SELECT experiment, user_id, arm, first_exposure_at, first_love_at, loves,
        CASE WHEN returned_at <= {cutoff} THEN returned_at END AS returned_at,
        sums.exposures - coalesce(young.exposures, 0) AS exposures,
        sums.closings - coalesce(young.closings, 0) AS closings
    FROM current_sums AS sums LEFT JOIN young USING (user_id, arm)
)
SELECT experiment, user_id, arm, {settled} FROM settled WHERE exposures > 0
UNION ALL BY NAME
SELECT experiment, user_id, arm, {clean}, {raw}
FROM raw_recounted AS raw LEFT JOIN clean_recounted AS clean USING (experiment, user_id, arm)
