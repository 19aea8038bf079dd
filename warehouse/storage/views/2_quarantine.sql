-- Users and reactions that a rule of the sink put aside. Flags of the live guard never do.

CREATE OR REPLACE TEMP VIEW quarantined_users AS
SELECT user_id, list(DISTINCT rule ORDER BY rule) AS rules, max(score) AS score, min(flagged_at) AS since
FROM flags
WHERE source = 'ingest' AND subject = 'user' AND score >= 1
GROUP BY user_id;

CREATE OR REPLACE TEMP VIEW quarantined_reactions AS
SELECT event_id, user_id, response_id, list(DISTINCT rule ORDER BY rule) AS rules, max(score) AS score
FROM flags
WHERE source = 'ingest' AND subject = 'reaction' AND score >= 1
GROUP BY event_id, user_id, response_id;
