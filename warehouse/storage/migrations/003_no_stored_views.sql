-- Views and macros are made on every opening since version 3 (views/*.sql); files of version 2 stored them, by a migration 002 that is gone.
DROP VIEW IF EXISTS clean_feedback;
DROP MACRO TABLE IF EXISTS clean_feedback_at;
DROP VIEW IF EXISTS quarantined_reactions;
DROP VIEW IF EXISTS quarantined_users;
DROP VIEW IF EXISTS waiting_reactions;
DROP VIEW IF EXISTS reaction_state;
DROP MACRO TABLE IF EXISTS reaction_state_at;
DROP VIEW IF EXISTS served;
