//! Every request of a store and of an upload meets every fault, and each time the answer is held against
//! what is really in the store. The same is done to the bare library, which shows what it is worth.

mod act;
mod judge;
mod plan;
mod table;
