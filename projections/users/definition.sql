-- From when to when each user was one of the account, knowing events up to a position.
CREATE FUNCTION projection.membership(known bigint) RETURNS TABLE (
    user_id uuid,
    account_id uuid,
    added_at timestamptz,
    removed_at timestamptz,
    added bigint,
    removed bigint
)
LANGUAGE sql STABLE AS $$
    SELECT said.user_id,
           said.account_id,
           min(said.effective_at) FILTER (WHERE said.topic = 'UserAdded'),
           min(said.effective_at) FILTER (WHERE said.topic = 'UserRemoved'),
           min(said.position) FILTER (WHERE said.topic = 'UserAdded'),
           min(said.position) FILTER (WHERE said.topic = 'UserRemoved')
      FROM projection.entry(known) AS said
     WHERE said.topic IN ('UserAdded', 'UserRemoved')
       AND said.user_id IS NOT NULL
     GROUP BY said.user_id, said.account_id
    HAVING count(*) FILTER (WHERE said.topic = 'UserAdded') > 0
$$;

-- From when to when each user had access to each hub; paired like holdings.
CREATE FUNCTION projection.hub_access(known bigint) RETURNS TABLE (
    user_id uuid,
    account_id uuid,
    hub text,
    nth bigint,
    granted_at timestamptz,
    revoked_at timestamptz,
    granted bigint,
    revoked bigint
)
LANGUAGE sql STABLE AS $$
    SELECT mark.user_id,
           mark.account_id,
           mark.hub,
           mark.nth,
           min(mark.effective_at) FILTER (WHERE mark.topic = 'HubAccessGranted'),
           min(mark.effective_at) FILTER (WHERE mark.topic = 'HubAccessRevoked'),
           min(mark.position) FILTER (WHERE mark.topic = 'HubAccessGranted'),
           min(mark.position) FILTER (WHERE mark.topic = 'HubAccessRevoked')
      FROM (
           SELECT said.user_id, said.account_id, said.hub, said.topic,
                  said.effective_at, said.position,
                  row_number() OVER (
                      PARTITION BY said.user_id, said.account_id, said.hub, said.topic
                      ORDER BY said.effective_at, said.position
                  ) AS nth
             FROM projection.entry(known) AS said
            WHERE said.topic IN ('HubAccessGranted', 'HubAccessRevoked')
              AND said.user_id IS NOT NULL
           ) AS mark
     GROUP BY mark.user_id, mark.account_id, mark.hub, mark.nth
$$;
