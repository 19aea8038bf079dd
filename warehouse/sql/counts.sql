-- What the warehouse holds, and what ingest did with what it read: one row.
SELECT
    (SELECT count(*) FROM responses) AS responses,
    (SELECT count(*) FROM reactions) AS reactions,
    (SELECT count(*) FROM erasures WHERE kafka_topic IS NOT NULL) AS erasures,
    (SELECT count(*) FROM erasures WHERE kafka_topic IS NULL) AS erasures_by_hand,
    (SELECT count(*) FROM pending_erasures) AS erasures_pending,
    (SELECT coalesce(sum(messages), 0)::BIGINT FROM ingest_positions) AS messages,
    (SELECT coalesce(sum(events), 0)::BIGINT FROM ingest_positions) AS events,
    (SELECT coalesce(sum(duplicates), 0)::BIGINT FROM ingest_positions) AS duplicates_dropped,
    (SELECT count(*) FROM dead_letters WHERE redriven_at IS NULL) AS dead_letters,
    (SELECT count(*) FROM dead_letters WHERE redriven_at IS NOT NULL) AS redriven,
    (SELECT coalesce(sum(erased), 0)::BIGINT FROM ingest_positions) AS erased,
    (SELECT count(*) FROM reactions WHERE action = 'removed') AS retractions,
    (
        SELECT count(DISTINCT reactions.event_id) FROM reactions
        JOIN served ON served.response_id = reactions.response_id AND served.user_id = reactions.user_id
        WHERE reactions.kafka_topic = served.kafka_topic AND reactions.kafka_partition = served.kafka_partition
            AND (reactions.kafka_offset, reactions.kafka_line) < (served.kafka_offset, served.kafka_line)
    ) AS late_joined,
    (SELECT count(*) FROM waiting_reactions) AS waiting,
    (SELECT count(*) FROM quarantined_users) AS quarantined_users,
    (SELECT count(*) FROM quarantined_reactions) AS quarantined_reactions,
    (SELECT max(served_at) FROM responses) AS last_served_at,
    (SELECT max(version) FROM schema_migrations) AS schema_version
