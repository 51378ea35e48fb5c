-- journal__checkpoint --
-- The checkpoint is not beyond the store's head.
SELECT least(%(known_position)s::bigint, head.position) AS expected, %(known_position)s::bigint AS actual
  FROM (SELECT coalesce(max(notification_id), 0) AS position
          FROM ledger.stored_events) AS head;

-- journal__rows --
-- As many rows as the store has events up to the checkpoint, but for those of accounts
-- that are set aside.
SELECT (SELECT count(*) FROM ledger.stored_events
         WHERE notification_id <= %(known_position)s::bigint
           AND is_read(originator_id, notification_id,
                       %(aside)s::uuid[], %(aside_from)s::bigint[])) AS expected,
       (SELECT count(*) FROM journal) AS actual;

-- journal__gaps --
-- No event of the store is missing from the journal, but those.
SELECT 0 AS expected, count(*) AS actual, min(stored.notification_id) AS position
  FROM ledger.stored_events AS stored
 WHERE stored.notification_id <= %(known_position)s::bigint
   AND is_read(stored.originator_id, stored.notification_id,
               %(aside)s::uuid[], %(aside_from)s::bigint[])
   AND NOT EXISTS (
       SELECT 1 FROM journal WHERE journal.position = stored.notification_id);

-- journal__not_stopped --
-- No event stops the projections.
SELECT 0 AS expected, count(*) AS actual, min(failed_position) AS position
  FROM projection.generation
 WHERE state = 'served'
   AND failed_position IS NOT NULL;

-- journal__no_account_set_aside --
-- No account is set aside (R74).
SELECT 0 AS expected, count(*) AS actual, min(position) AS position
  FROM set_aside;

-- seat_type__rows --
-- As many seat types as were added, beside those that are there from the start.
SELECT (SELECT count(DISTINCT seat_type) FROM journal
         WHERE topic = 'SeatTypeAdded') AS expected,
       (SELECT count(*) FROM seat_type WHERE added > 0) AS actual;

-- account__rows --
-- As many accounts as were opened.
SELECT (SELECT count(*) FROM journal WHERE topic = 'AccountOpened') AS expected,
       (SELECT count(*) FROM account) AS actual;

-- person__rows --
-- As many persons as were added.
SELECT (SELECT count(*) FROM journal WHERE topic = 'UserAdded') AS expected,
       (SELECT count(*) FROM person) AS actual;

-- user_directory__rows --
-- As many namings as users were added and renamed.
SELECT (SELECT count(*) FROM journal WHERE topic IN ('UserAdded', 'UserRenamed'))
           AS expected,
       (SELECT count(*) FROM user_directory) AS actual;

-- seat__rows --
-- As many seats as purchases hold.
SELECT (SELECT count(*) FROM entry_at(%(known_position)s::bigint)
         WHERE topic = 'SeatPurchased') AS expected,
       (SELECT count(*) FROM seat) AS actual;

-- seat_holding__rows --
-- As many holdings as assignments hold.
SELECT (SELECT count(*) FROM entry_at(%(known_position)s::bigint)
         WHERE topic = 'SeatAssigned') AS expected,
       (SELECT count(*) FROM seat_holding WHERE NOT reversed) AS actual;

-- current_assignment__rows --
-- As many current assignments as holdings that nothing ends.
SELECT (SELECT count(*) FROM seat_holding
         WHERE NOT reversed AND held_until IS NULL) AS expected,
       (SELECT count(*) FROM current_assignment) AS actual;

-- seat_count__last_steps --
-- The last steps add up to the current assignments.
SELECT (SELECT count(*) FROM current_assignment) AS expected,
       coalesce(sum(last.seats_assigned), 0) AS actual
  FROM (
       SELECT DISTINCT ON (account_no, seat_type) seats_assigned
         FROM seat_count
        ORDER BY account_no, seat_type, at DESC
       ) AS last;

-- billing_period__rows --
-- Every account has periods.
SELECT (SELECT count(*) FROM account) AS expected,
       (SELECT count(DISTINCT account_no) FROM billing_period) AS actual;

-- billable_seats__rows --
-- No figures without their period.
SELECT 0 AS expected, count(*) AS actual
  FROM billable_seats AS counted
 WHERE NOT EXISTS (
       SELECT 1
         FROM billing_period AS period
        WHERE period.account_no = counted.account_no
          AND period.period_no = counted.period_no);
