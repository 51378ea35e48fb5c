-- holders --
-- Who held a seat of some types at a moment, of everybody or of some, and since when; with
-- what they were called when they were added.
SELECT held.user_no, held.seat_type, held.held_from,
       named.user_key, named.email, named.name
  FROM {seat_holding} AS held
  JOIN user_directory AS named ON named.position = held.user_no
 WHERE held.account_no = %(account_no)s::bigint
   AND held.seat_type = ANY (%(type_nos)s::integer[])
   AND NOT held.reversed
   AND held.held_from <= %(as_of)s::timestamptz
   AND (held.held_until IS NULL OR held.held_until > %(as_of)s::timestamptz)
   AND (%(user_nos)s::bigint[] IS NULL
        OR held.user_no = ANY (%(user_nos)s::bigint[]));

-- renamed --
-- What the users of an account were called from later moments on, up to one, in the order
-- of application (R95).
SELECT named.user_no, named.user_key, named.email, named.name
  FROM user_directory AS named
 CROSS JOIN LATERAL (
       SELECT holding.effective_at, holding.position
         FROM entry_at(%(known_position)s::bigint) AS holding
        WHERE holding.position = named.position
       OFFSET 0) AS entry
 WHERE named.account_no = %(account_no)s::bigint
   AND named.position <> named.user_no
   AND entry.effective_at <= %(as_of)s::timestamptz
 ORDER BY entry.effective_at, entry.position;

-- ended --
-- When the holdings of some users that ended by a moment did so last, by type.
SELECT person.user_no, held.seat_type, max(held.held_until) AS ended_at
  FROM person
  JOIN {seat_holding} AS held ON held.user_no = person.user_no
 WHERE person.user_no = ANY (%(user_nos)s::bigint[])
   AND held.account_no = %(account_no)s::bigint
   AND NOT held.reversed
   AND held.held_until <= %(as_of)s::timestamptz
 GROUP BY person.user_no, held.seat_type;

-- members --
-- The users of an account at a moment who hold no seat of some types then, or are among
-- some users, and since when; with what they were called when they were added.
SELECT member.user_no, member.added_at, named.user_key, named.email, named.name
  FROM membership_at(%(known_position)s::bigint) AS member
  JOIN user_directory AS named ON named.position = member.user_no
 WHERE member.account_no = %(account_no)s::bigint
   AND member.added_at <= %(as_of)s::timestamptz
   AND (member.removed_at IS NULL OR member.removed_at > %(as_of)s::timestamptz)
   AND (member.user_no = ANY (%(user_nos)s::bigint[])
        OR NOT EXISTS (
               SELECT
                 FROM {seat_holding} AS held
                WHERE held.user_no = member.user_no
                  AND held.account_no = %(account_no)s::bigint
                  AND held.seat_type = ANY (%(type_nos)s::integer[])
                  AND NOT held.reversed
                  AND held.held_from <= %(as_of)s::timestamptz
                  AND (held.held_until IS NULL
                       OR held.held_until > %(as_of)s::timestamptz)));

-- bearers --
-- Who ever had some addresses, folded.
SELECT DISTINCT user_no
  FROM user_directory
 WHERE account_no = %(account_no)s::bigint
   AND folded_email = ANY (%(addresses)s::text[]);

-- released --
-- When some users last gave up some addresses, folded, by a moment: for another one, or by
-- leaving the account.
SELECT called.folded_email, max(called.until) AS released_at
  FROM (SELECT named.folded_email,
               coalesce(
                   lead(entry.effective_at) OVER (
                       PARTITION BY named.user_no
                           ORDER BY entry.effective_at, entry.position),
                   member.removed_at) AS until
          FROM user_directory AS named
         CROSS JOIN LATERAL (
               SELECT holding.effective_at, holding.position
                 FROM entry_at(%(known_position)s::bigint) AS holding
                WHERE holding.position = named.position
               OFFSET 0) AS entry
          JOIN (SELECT user_no, removed_at
                  FROM membership_at(%(known_position)s::bigint)
                 WHERE user_no = ANY (%(user_nos)s::bigint[])) AS member
            ON member.user_no = named.user_no
         WHERE named.user_no = ANY (%(user_nos)s::bigint[])
           AND named.folded_email IS NOT NULL
           AND entry.effective_at <= %(as_of)s::timestamptz) AS called
 WHERE called.folded_email = ANY (%(addresses)s::text[])
   AND called.until <= %(as_of)s::timestamptz
 GROUP BY called.folded_email;

-- observed --
-- The lists of an account that were true by a moment, with what they cover.
SELECT entry.position, entry.effective_at, entry.details
  FROM entry_at(%(known_position)s::bigint) AS entry
 WHERE entry.account_no = %(account_no)s::bigint
   AND entry.topic = 'SnapshotObserved'
   AND entry.effective_at <= %(as_of)s::timestamptz
 ORDER BY entry.effective_at;

-- free --
-- From when on seats are free that are under contract at a moment, and that nobody holds
-- then or later.
SELECT its.seat_type,
       greatest(its.purchased_at, max(held.held_until)) AS free_from
  FROM {seat} AS its
  LEFT JOIN {seat_holding} AS held
    ON held.account_no = its.account_no
   AND held.seat_type = its.seat_type
   AND held.number = its.number
   AND NOT held.reversed
   AND held.account_no = %(account_no)s::bigint
 WHERE its.account_no = %(account_no)s::bigint
   AND its.seat_type = ANY (%(type_nos)s::integer[])
   AND its.purchased_at <= %(as_of)s::timestamptz
   AND its.retires_at IS NULL
 GROUP BY its.seat_type, its.number, its.purchased_at
HAVING bool_and(held.entry IS NULL
             OR coalesce(held.held_until <= %(as_of)s::timestamptz, false));
