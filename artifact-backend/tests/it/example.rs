//! The example for backend authors keeps the contract.

use std::process::ExitCode;

#[path = "../../examples/smallest_backend.rs"]
mod smallest_backend;

#[test]
fn the_smallest_backend_passes_the_suite() {
    assert_eq!(smallest_backend::main(), ExitCode::SUCCESS);
}
