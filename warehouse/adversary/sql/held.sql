-- Users and reactions that rules or people speak against, one row each, with the loves that are held.
WITH against AS (
    SELECT
        subject,
        user_id,
        event_id,
        list(DISTINCT rule ORDER BY rule) AS rules,
        max(score) AS score,
        CASE WHEN count(since) = count(*) THEN min(since) END AS since
    FROM flags
    WHERE source IN ('ingest', 'periodic') AND score >= 1 AND subject IN ('user', 'reaction')
    GROUP BY ALL
),

-- every release or confirmation stands for itself, with flags or without
together AS (
    SELECT
        coalesce(against.subject, decided.subject) AS subject,
        coalesce(against.user_id, decided.user_id) AS user_id,
        coalesce(against.event_id, decided.event_id) AS event_id,
        CASE WHEN decided.decision = 'confirmed'
            THEN list_append(coalesce(against.rules, []), 'confirmed') ELSE coalesce(against.rules, [])
        END AS rules,
        coalesce(against.score, 1.0) AS score,
        CASE
            WHEN against.user_id IS NULL THEN decided.since
            WHEN decided.decision = 'confirmed' AND decided.since IS NULL THEN NULL
            WHEN decided.decision = 'confirmed' AND against.since IS NOT NULL THEN least(decided.since, against.since)
            ELSE against.since
        END AS since,
        coalesce(decided.decision = 'released', false) AS released,
        decided.evidence
    FROM against
    FULL JOIN standing_decisions AS decided
        ON decided.subject = against.subject
        AND decided.user_id = against.user_id
        AND decided.event_id IS NOT DISTINCT FROM against.event_id
),

loved AS (
    SELECT user_id, event_id, reacted_at FROM reaction_state WHERE is_love(reaction, action)
),

counted AS (
    SELECT together.*, count(loved.event_id) AS loves
    FROM together
    LEFT JOIN loved
        ON loved.user_id = together.user_id
        AND (together.event_id IS NULL OR loved.event_id = together.event_id)
        AND (together.since IS NULL OR loved.reacted_at >= together.since)
    WHERE released = $released AND ($rule IS NULL OR list_contains(rules, $rule))
    GROUP BY ALL
)

SELECT subject, user_id, CAST(event_id AS VARCHAR) AS event_id, rules, score, since, loves, released, evidence
FROM counted
ORDER BY subject DESC, loves DESC, score DESC, user_id, event_id
