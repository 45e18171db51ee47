-- With these indexes, one page of a list costs no more than the records in it, however long the list is, and
-- adding a member does not read the other members.

CREATE INDEX workers_by_name ON workers (experiment, name, registered_at, id) WHERE name IS NOT NULL;

CREATE INDEX groups_by_name ON groups (experiment, name, created_at, id) WHERE name IS NOT NULL;

CREATE INDEX members_in_order ON members (group_id, position);
