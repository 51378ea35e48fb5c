-- bought --
-- Whether a seat was ever bought, at any position up to the head.
SELECT EXISTS (
    SELECT 1
      FROM journal
     WHERE account_no = %(account_no)s::bigint
       AND seat_type = %(seat_type)s::seat_type_name
       AND number = %(number)s::integer
       AND topic = 'SeatPurchased'
) AS bought;

-- life --
-- From when to when a seat was under contract.
SELECT purchased_at, retires_at
  FROM seat_at(%(known)s::bigint)
 WHERE account_no = %(account_no)s::bigint
   AND seat_type = %(seat_type)s::seat_type_name
   AND number = %(number)s::integer;

-- lives --
-- Every seat's life in an account.
SELECT seat_type::text AS seat_type, number, purchased_at, retires_at, purchased, retired
  FROM seat_at(%(known)s::bigint)
 WHERE account_no = %(account_no)s::bigint
 ORDER BY seat_type::text COLLATE "C", number;

-- of_seat --
-- Who held a seat, in order, with what was reversed.
SELECT seat_type::text AS seat_type, number, user_no, held_from, held_until, assigned,
       unassigned, reversed
  FROM seat_holding_at(%(known)s::bigint)
 WHERE account_no = %(account_no)s::bigint
   AND seat_type = %(seat_type)s::seat_type_name
   AND number = %(number)s::integer
 ORDER BY held_from, held_until, entry;

-- of_users --
-- What some users held, in order, with what was reversed.
SELECT seat_type::text AS seat_type, number, user_no, held_from, held_until, assigned,
       unassigned, reversed
  FROM seat_holding_at(%(known)s::bigint)
 WHERE account_no = %(account_no)s::bigint
   AND user_no = ANY (%(user_nos)s::bigint[])
 ORDER BY held_from, held_until, entry;

-- of_account --
-- Every holding in an account at a moment.
SELECT seat_type::text AS seat_type, number, user_no, held_from, held_until, assigned,
       unassigned, reversed
  FROM seat_holding_at(%(known)s::bigint)
 WHERE account_no = %(account_no)s::bigint
   AND NOT reversed
   AND held_from <= %(as_of)s::timestamptz
   AND (held_until IS NULL OR held_until > %(as_of)s::timestamptz)
 ORDER BY seat_type::text COLLATE "C", number, held_from, held_until, entry;

-- within --
-- Holdings of some types that share an instant with a window, or are empty inside it.
SELECT seat_type::text AS seat_type, number, user_no, held_from, held_until, assigned,
       unassigned, reversed
  FROM seat_holding_at(%(known)s::bigint)
 WHERE account_no = %(account_no)s::bigint
   AND seat_type = ANY (%(seat_types)s::seat_type_name[])
   AND NOT reversed
   AND held_from < %(ends)s::timestamptz
   AND (held_until IS NULL OR held_until > %(starts)s::timestamptz)
 ORDER BY seat_type::text COLLATE "C", number, held_from, held_until, entry;

-- lives_within --
-- Seats of some types that are under contract at an instant of a window.
SELECT seat_type::text AS seat_type, number, purchased_at, retires_at, purchased, retired
  FROM seat_at(%(known)s::bigint)
 WHERE account_no = %(account_no)s::bigint
   AND seat_type = ANY (%(seat_types)s::seat_type_name[])
   AND purchased_at < %(ends)s::timestamptz
   AND (retires_at IS NULL OR retires_at > %(starts)s::timestamptz)
 ORDER BY seat_type::text COLLATE "C", number;
