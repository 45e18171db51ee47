//! Ranges are verified: no byte is delivered that is not the one that was deposited.

mod damage;
mod memory;
mod records;
mod site;
mod slices;
