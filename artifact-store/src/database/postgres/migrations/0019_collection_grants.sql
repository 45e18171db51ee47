-- The grants of a collection are in the table of all grants. They go with the collection, also if an older server deletes it.
--
-- Reads and writes no rows. The trigger makes changes of collections wait, reads not: for some milliseconds, once the transactions
-- that write collections have ended.
CREATE FUNCTION collections_lose_grants() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM artifact.access_grants WHERE subject_kind = 'collection' AND subject_id = OLD.id;
    RETURN NULL;
END
$$;

CREATE TRIGGER collections_lose_grants AFTER DELETE ON collections
    FOR EACH ROW EXECUTE FUNCTION collections_lose_grants();
