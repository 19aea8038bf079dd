-- How many users, reactions and decisions there are, and how many of them are in quarantine: one row. $without: experiments whose exposures
-- and users are counted apart.
WITH test_only AS (
    SELECT user_id FROM responses GROUP BY user_id
    HAVING bool_and(coalesce(list_contains(CAST($without AS VARCHAR[]), experiment), false))
),

everybody AS (SELECT user_id FROM responses UNION SELECT user_id FROM reactions),

tested AS (
    SELECT response_id FROM responses
    WHERE coalesce(list_contains(CAST($without AS VARCHAR[]), experiment), false)
)

SELECT
    (SELECT count(*) FROM everybody ANTI JOIN test_only USING (user_id)) AS users,
    (SELECT count(*) FROM quarantined_users ANTI JOIN test_only USING (user_id)) AS users_aside,
    (SELECT count(*) FROM test_only) AS test_users,
    (SELECT count(*) FROM quarantined_users SEMI JOIN test_only USING (user_id)) AS test_users_aside,
    (SELECT count(*) FROM quarantined_reactions ANTI JOIN tested USING (response_id)) AS reactions_aside,
    (SELECT count(*) FROM standing_decisions WHERE decision = 'released') AS released,
    (SELECT count(*) FROM standing_decisions WHERE decision = 'confirmed') AS confirmed
