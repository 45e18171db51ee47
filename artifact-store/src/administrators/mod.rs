//! Named administrators, with their stored credentials.

mod administrator;
mod list;
mod store;

pub use administrator::Administrator;
pub use list::AdministratorStoreExt;
pub use store::AdministratorStore;
