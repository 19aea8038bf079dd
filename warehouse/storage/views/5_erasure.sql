-- Requests for erasure that no receipt covers yet: the tables forgot the user, the bytes on disk and the files elsewhere may not have.
CREATE OR REPLACE TEMP VIEW pending_erasures AS
SELECT asked.user_hash, max(asked.requested_at) AS requested_at
FROM erasures AS asked
LEFT JOIN (SELECT user_hash, max(requested_at) AS until FROM erasure_receipts GROUP BY user_hash) AS done
    ON done.user_hash = asked.user_hash
WHERE done.until IS NULL OR asked.requested_at > done.until
GROUP BY asked.user_hash;
