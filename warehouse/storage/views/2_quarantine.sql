-- Users and reactions that are put aside: by a rule of the sink or of the daily job (flags of the live guard never do that), or because
-- somebody confirmed it. Whoever is released by a standing decision is not.

-- The latest decision about each user and each reaction.
CREATE OR REPLACE TEMP VIEW standing_decisions AS
SELECT * FROM quarantine_decisions
QUALIFY row_number() OVER (PARTITION BY subject, user_id, event_id ORDER BY decided_at DESC, decision) = 1;

-- `since`: what these users were shown or reacted from then on is left out; NULL for all of it. The earliest of several counts.
CREATE OR REPLACE TEMP VIEW quarantined_users AS
WITH counts AS (
    SELECT user_id, rule, score, since, flagged_at
    FROM flags
    WHERE source IN ('ingest', 'periodic') AND subject = 'user' AND score >= 1
    UNION ALL
    SELECT user_id, 'confirmed' AS rule, 1.0 AS score, since, decided_at
    FROM standing_decisions
    WHERE subject = 'user' AND decision = 'confirmed'
)
SELECT
    user_id,
    list(DISTINCT rule ORDER BY rule) AS rules,
    max(score) AS score,
    CASE WHEN count(since) = count(*) THEN min(since) END AS since,
    min(flagged_at) AS first_flagged_at
FROM counts
WHERE user_id NOT IN (SELECT user_id FROM standing_decisions WHERE subject = 'user' AND decision = 'released')
GROUP BY user_id;

CREATE OR REPLACE TEMP VIEW quarantined_reactions AS
WITH counts AS (
    SELECT event_id, user_id, response_id, rule, score
    FROM flags
    WHERE source IN ('ingest', 'periodic') AND subject = 'reaction' AND score >= 1
    UNION ALL
    SELECT event_id, decided.user_id, reactions.response_id, 'confirmed' AS rule, 1.0 AS score
    FROM standing_decisions AS decided
    INNER JOIN reactions USING (event_id)
    WHERE decided.subject = 'reaction' AND decided.decision = 'confirmed'
)
SELECT event_id, user_id, response_id, list(DISTINCT rule ORDER BY rule) AS rules, max(score) AS score
FROM counts
WHERE event_id NOT IN (SELECT event_id FROM standing_decisions WHERE subject = 'reaction' AND decision = 'released')
GROUP BY event_id, user_id, response_id;
