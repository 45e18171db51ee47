//! An artifact backend that is a map in memory: the reference semantics.
