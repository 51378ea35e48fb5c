-- bought --
-- Whether a seat was ever bought, at any position up to the head.
SELECT EXISTS (
    SELECT 1
      FROM journal
     WHERE account_no = %(account_no)s::bigint
       AND seat_type = %(type_no)s::integer
       AND number = %(number)s::integer
       AND topic = 'SeatPurchased'
) AS bought;

-- most_bought --
-- The highest number of a seat of a type that was ever bought.
SELECT max(number) AS number
  FROM journal
 WHERE account_no = %(account_no)s::bigint
   AND seat_type = %(type_no)s::integer
   AND topic = 'SeatPurchased';

-- life --
-- From when to when a seat was under contract, and by which entries.
SELECT purchased_at, retires_at, purchased_position, retired_position
  FROM {seat}
 WHERE account_no = %(account_no)s::bigint
   AND seat_type = %(type_no)s::integer
   AND number = %(number)s::integer;

-- under_contract --
-- Seats under contract at a moment in an account; a page.
SELECT seat_type, number, purchased_at, retires_at,
       purchased_position, retired_position
  FROM {seat} AS its
  JOIN seat_type AS kind ON kind.type_no = its.seat_type
 WHERE account_no = %(account_no)s::bigint
   AND purchased_at <= %(as_of)s::timestamptz
   AND (retires_at IS NULL OR retires_at > %(as_of)s::timestamptz)
 ORDER BY kind.name COLLATE "C", number
OFFSET %(skip)s::bigint
 LIMIT %(limit)s::bigint;

-- of_seat --
-- Who held a seat, in order, with what was reversed.
SELECT seat_type, number, user_no, held_from, held_until,
       assigned_position, unassigned_position, reversed
  FROM {seat_holding}
 WHERE account_no = %(account_no)s::bigint
   AND seat_type = %(type_no)s::integer
   AND number = %(number)s::integer
 ORDER BY held_from, held_until, entry;

-- of_users --
-- What some users held, in order, with what was reversed.
SELECT seat_type, number, user_no, held_from, held_until,
       assigned_position, unassigned_position, reversed
  FROM {seat_holding}
 WHERE account_no = %(account_no)s::bigint
   AND user_no = ANY (%(user_nos)s::bigint[])
 ORDER BY held_from, held_until, entry;

-- of_few_users --
-- The same as known earlier. The seats that they ever had come from what is kept, so
-- that no other seat of the account is looked at.
SELECT seat_type, number, user_no, held_from, held_until,
       assigned_position, unassigned_position, reversed
  FROM (
       SELECT DISTINCT seat_type AS touched_type, number AS touched_number
         FROM seat_holding
        WHERE account_no = %(account_no)s::bigint
          AND user_no = ANY (%(user_nos)s::bigint[])
       OFFSET 0) AS touched
 CROSS JOIN LATERAL (
       SELECT entry, seat_type, number, user_no, held_from, held_until,
              assigned_position, unassigned_position, reversed
         FROM {seat_holding}
        WHERE account_no = %(account_no)s::bigint
          AND seat_type = touched_type
          AND number = touched_number
          AND user_no = ANY (%(user_nos)s::bigint[])
       OFFSET 0) AS held
 ORDER BY held_from, held_until, entry;

-- of_seats --
-- Who held some seats of an account at a moment.
SELECT held.*
  FROM unnest(%(type_nos)s::integer[], %(numbers)s::integer[])
       AS selected(seat_type, number)
 CROSS JOIN LATERAL (
       SELECT seat_type, number, user_no, held_from, held_until,
              assigned_position, unassigned_position, reversed
         FROM {seat_holding}
        WHERE account_no = %(account_no)s::bigint
          AND seat_type = selected.seat_type
          AND number = selected.number
          AND NOT reversed
          AND held_from <= %(as_of)s::timestamptz
          AND (held_until IS NULL OR held_until > %(as_of)s::timestamptz)
       OFFSET 0) AS held;

-- of_account --
-- Every holding in an account at a moment.
SELECT seat_type, number, user_no, held_from, held_until,
       assigned_position, unassigned_position, reversed
  FROM {seat_holding} AS its
  JOIN seat_type AS kind ON kind.type_no = its.seat_type
 WHERE account_no = %(account_no)s::bigint
   AND NOT reversed
   AND held_from <= %(as_of)s::timestamptz
   AND (held_until IS NULL OR held_until > %(as_of)s::timestamptz)
 ORDER BY kind.name COLLATE "C", number, held_from, held_until, entry;

-- within --
-- Holdings of some types that share an instant with a window, or are empty inside it.
SELECT seat_type, number, user_no, held_from, held_until,
       assigned_position, unassigned_position, reversed
  FROM {seat_holding} AS its
  JOIN seat_type AS kind ON kind.type_no = its.seat_type
 WHERE account_no = %(account_no)s::bigint
   AND seat_type = ANY (%(type_nos)s::integer[])
   AND NOT reversed
   AND held_from < %(ends)s::timestamptz
   AND (held_until IS NULL OR held_until > %(starts)s::timestamptz)
 ORDER BY kind.name COLLATE "C", number, held_from, held_until, entry;

-- lives_within --
-- Seats of some types that are under contract at an instant of a window.
SELECT seat_type, number, purchased_at, retires_at,
       purchased_position, retired_position
  FROM {seat} AS its
  JOIN seat_type AS kind ON kind.type_no = its.seat_type
 WHERE account_no = %(account_no)s::bigint
   AND seat_type = ANY (%(type_nos)s::integer[])
   AND purchased_at < %(ends)s::timestamptz
   AND (retires_at IS NULL OR retires_at > %(starts)s::timestamptz)
 ORDER BY kind.name COLLATE "C", number;

-- to_be_carried_out --
-- Unassignments of all accounts that are to be carried out (R98).
{pending_unassignments};

-- to_be_carried_out_of --
-- The same of some accounts: without a choice in it, PostgreSQL plans it once.
{pending_unassignments}
   AND account_no = ANY (%(account_nos)s::bigint[]);

-- to_be_unassigned --
-- Unassignments that are pending in an account at a moment (R98).
SELECT seat_type, number, user_no, period, requested_at, requested
  FROM unassignment_at(%(known_position)s::bigint)
 WHERE account_no = %(account_no)s::bigint
   AND requested_at <= %(as_of)s::timestamptz
   AND (cancelled_at IS NULL OR cancelled_at > %(as_of)s::timestamptz)
   AND (carried_out_at IS NULL OR carried_out_at > %(as_of)s::timestamptz)
   AND held_from IS NOT NULL
   AND (held_until IS NULL OR held_until > %(as_of)s::timestamptz)
 ORDER BY requested;

-- windows_at --
-- What was derived from dated lists in an account, and may have happened before a moment
-- or after it (R85): who got or lost a seat, or also when seats were bought.
SELECT entry.seat_type, entry.number, entry.user_no, entry.topic::text,
       entry.effective_after, entry.effective_at
  FROM entry_at(%(known_position)s::bigint) AS entry
 WHERE entry.account_no = %(account_no)s::bigint
   AND entry.topic = ANY (%(topics)s::topic_name[])
   AND entry.effective_after < %(as_of)s::timestamptz
   AND entry.effective_at > %(as_of)s::timestamptz
 ORDER BY entry.effective_at, entry.position;
