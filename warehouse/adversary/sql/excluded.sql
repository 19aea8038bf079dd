-- Mass of mature loves that do not count, by rule, and of all of them (rule NULL) with their number. $moment, $hours as for clean_feedback_at;
-- $without: experiments whose exposures are no part of the log.
WITH standing AS (
    SELECT response_id, user_id, event_id
    FROM reaction_state_at(CAST($moment AS TIMESTAMPTZ))
    SEMI JOIN (
        SELECT response_id FROM served
        WHERE served_at <= mature_until($moment, $hours)
            AND NOT coalesce(list_contains(CAST($without AS VARCHAR[]), experiment), false)
    ) AS mature USING (response_id)
    WHERE is_love(reaction, action)
),

judged AS (
    SELECT
        standing.response_id,
        standing.user_id,
        1 - coalesce(counted.trust, 0) AS mass,
        list_distinct(list_concat(coalesce(people.rules, []), coalesce(single.rules, []))) AS rules,
        counted.response_id IS NOT NULL AS counts,
        served.user_id <> standing.user_id AS elsewhere
    FROM standing
    INNER JOIN served USING (response_id)
    LEFT JOIN (FROM clean_feedback_at(CAST($moment AS TIMESTAMPTZ), $hours) WHERE love) AS counted
        ON counted.response_id = standing.response_id AND counted.user_id = standing.user_id
    LEFT JOIN quarantined_users AS people ON people.user_id = standing.user_id
    LEFT JOIN quarantined_reactions AS single ON single.event_id = standing.event_id
),

blamed AS (
    SELECT
        mass,
        CASE
            WHEN counts THEN [CAST($weighed AS VARCHAR)]
            WHEN len(rules) = 0 AND elsewhere THEN [CAST($elsewhere AS VARCHAR)]
            ELSE rules
        END AS rules
    FROM judged
)

SELECT rule, sum(mass) AS mass, count(*) AS loves
FROM (SELECT unnest(rules) AS rule, mass FROM blamed)
GROUP BY rule
UNION ALL
SELECT NULL, coalesce(sum(mass), 0), count(*) FROM blamed
ORDER BY ALL
