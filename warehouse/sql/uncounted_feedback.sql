-- What is stored and counts in no figure: one row.
SELECT
    (SELECT count(*) FROM reactions_not_shown) AS not_shown,
    (SELECT count(*) FROM reactions_not_shown WHERE reaction = 'love') AS not_shown_loves,
    (SELECT count(*) FROM responses_of_taken_id) AS ids_taken,
    (
        SELECT count(*) FROM reactions
        SEMI JOIN responses_of_taken_id AS taken USING (response_id, user_id)
        ANTI JOIN served USING (response_id, user_id)
        WHERE action = 'added'
    ) AS ids_taken_reactions,
    (
        SELECT count(*) FILTER (contains(extra, '"mended": {')) FROM (
            SELECT extra FROM responses WHERE extra IS NOT NULL UNION ALL
            SELECT extra FROM reactions WHERE extra IS NOT NULL
        )
    ) AS mended
