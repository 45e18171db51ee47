//! Injects every fault into every request of a store and of an upload, and compares the reported outcome
//! with the content of the store. The plain library runs the same cases as a control.

mod case;
mod table;
mod verdict;
mod write;
