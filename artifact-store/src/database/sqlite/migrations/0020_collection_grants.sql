-- The grants of a collection are in the table of all grants. They go with the collection, also if an older server deletes it.
--
-- Creates a trigger, and locks nothing for longer than a write.
CREATE TRIGGER collections_lose_grants AFTER DELETE ON collections
BEGIN
    DELETE FROM access_grants WHERE subject_kind = 'collection' AND subject_id = OLD.id;
END;
