-- What the contract of each account is made of, knowing the events up to a position: its
-- opening, known or not, its zone changes, renewals and policies, how it changes at
-- renewals and where it ends, and whether one of these three is reversed.
CREATE FUNCTION contract_at(known bigint) RETURNS TABLE (
    account_no bigint,
    topic text,
    "position" bigint,
    effective_at timestamptz,
    details jsonb,
    reversed boolean
)
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT entry.account_no,
           entry.topic::text,
           entry.position,
           entry.effective_at,
           entry.details,
           entry.topic IN (
               'BillingPolicyChanged', 'ContractChanged', 'AccountClosed'
           ) AND EXISTS (
               SELECT 1
                 FROM reversed_entry_at(known) AS reversed_entry
                WHERE reversed_entry.position = entry.position
               OFFSET 0)
      FROM journal AS entry
     WHERE entry.topic IN (
               'AccountOpened', 'TimeZoneChanged', 'BillingPolicyChanged',
               'ContractRenewed', 'ContractChanged', 'AccountClosed'
           )
       AND (entry.position <= known OR entry.topic = 'AccountOpened');
END;

-- Every reduction that holds, with its cancellation and its renewal, knowing the
-- events up to a position.
CREATE FUNCTION reduction_at(known_position bigint) RETURNS TABLE (
    account_no bigint,
    seat_type integer,
    quantity integer,
    renewal integer,
    requested_at timestamptz,
    cancelled_at timestamptz,
    renewed_at timestamptz,
    requested bigint
)
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT reduction.account_no,
           reduction.seat_type,
           reduction.quantity,
           reduction.renewal,
           reduction.effective_at,
           (SELECT min(cancelled.effective_at)
              FROM entry_at(known_position) AS cancelled
             WHERE cancelled.topic = 'SeatReductionCancelled'
               AND cancelled.account_no = reduction.account_no
               AND cancelled.seat_type = reduction.seat_type
               AND cancelled.request = reduction.version),
           (SELECT min(renewed.effective_at)
              FROM journal AS renewed
             WHERE renewed.topic = 'ContractRenewed'
               AND renewed.account_no = reduction.account_no
               AND renewed.renewal = reduction.renewal
               AND renewed.position <= known_position),
           reduction.position
      FROM entry_at(known_position) AS reduction
     WHERE reduction.topic = 'SeatReductionRequested';
END;
