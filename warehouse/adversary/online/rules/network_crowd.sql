-- subject: user
-- input: crowds
-- version: 1
-- On one network, of those who give a love within a day (UTC), far too many love at least half of all that they were shown. On a carrier or
-- at a workplace hundreds may love something in a day; who comes for a word or two and loves one of them is such a user, too, so one
-- in two is taken for honest. With a of m such users the evidence is m KL(a/m || 0.5); the line is 9. Flagged are those a users
-- alone, with the network as key.
WITH counted AS (
    SELECT
        *,
        2 * loves >= greatest(shown, loves) AS greedy,
        count(*) OVER crowd AS users,
        count(*) FILTER (2 * loves >= greatest(shown, loves)) OVER crowd AS greedy_users
    FROM crowds
    WHERE kind = 'network'
    WINDOW crowd AS (PARTITION BY key, day)
),

judged AS (
    SELECT
        *,
        evidence_of_excess(greedy_users, users, 0.5) / 9.0 AS score
    FROM counted
    WHERE greedy AND greedy_users > 0.5 * users
)

SELECT
    user_id,
    score,
    json_object('loves', loves, 'shown', shown, 'users_who_love_half', greedy_users, 'users_who_love', users) AS evidence,
    first_at AS flagged_at,
    to_timestamp((day - 7) * 86400) AS since,
    key
FROM judged
WHERE score >= 1
