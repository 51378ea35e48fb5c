-- The events that begin and end an account or a person are found without reading all.
CREATE INDEX stored_events_of_names
    ON ledger.stored_events (topic, notification_id)
 WHERE topic IN ('AccountOpened', 'UserAdded', 'UserErased');
