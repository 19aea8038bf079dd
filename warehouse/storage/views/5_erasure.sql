-- Requests for erasure that no receipt covers yet: the tables forgot the user, the bytes on disk and the files elsewhere may not have. A request
-- that came after the last receipt is open, whatever moment it names.
CREATE OR REPLACE TEMP VIEW pending_erasures AS
SELECT asked.user_hash, max(asked.requested_at) AS requested_at, max(asked.received_at) AS received_at
FROM erasures AS asked
LEFT JOIN (
    SELECT user_hash, max(requested_at) AS until, max(finished_at) AS finished_at FROM erasure_receipts GROUP BY user_hash
) AS done
    ON done.user_hash = asked.user_hash
WHERE done.until IS NULL OR asked.requested_at > done.until OR asked.received_at > done.finished_at
GROUP BY asked.user_hash;
