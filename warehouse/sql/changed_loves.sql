-- Loves of the rows that two sets do not share, at $moment: their state, since when, whether they are in quarantine, and whether they were
-- read after the old set. Named: changed (response_id, user_id), frozen (the old set's positions).
SELECT
    state.response_id, state.action, state.reacted_at, caught.event_id IS NOT NULL,
    coalesce(reactions.kafka_offset >= coalesce(frozen.next_offset, 0), false)
FROM reaction_state_at(CAST($moment AS TIMESTAMPTZ)) AS state
SEMI JOIN changed ON changed.response_id = state.response_id AND changed.user_id = state.user_id
LEFT JOIN quarantined_reactions AS caught ON caught.event_id = state.event_id
JOIN reactions ON reactions.event_id = state.event_id
LEFT JOIN frozen USING (kafka_topic, kafka_partition)
WHERE state.reaction = 'love'
