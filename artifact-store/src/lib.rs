//! Rows beside the bytes: deposit, fetch and who may read, over any artifact backend.
