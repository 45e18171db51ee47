//! A connection whose session is set up.

use std::ops::{Deref, DerefMut};

use deadpool_postgres::{ClientWrapper, Object};

/// A connection that this database has for itself.
#[derive(Debug)]
pub(super) enum Session {
    Own(ClientWrapper),
    /// A connection of the program's pool, where it counts until it is closed. It never returns there,
    /// because its session has the settings of this database. It is `Some` until it is dropped.
    Pooled(Option<Object>),
}

const UNTIL_DROPPED: &str = "only `drop` takes the connection";

impl Deref for Session {
    type Target = ClientWrapper;

    fn deref(&self) -> &ClientWrapper {
        match self {
            Self::Own(client) => client,
            Self::Pooled(client) => client.as_ref().expect(UNTIL_DROPPED),
        }
    }
}

impl DerefMut for Session {
    fn deref_mut(&mut self) -> &mut ClientWrapper {
        match self {
            Self::Own(client) => client,
            Self::Pooled(client) => client.as_mut().expect(UNTIL_DROPPED),
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Self::Pooled(client) = self
            && let Some(client) = client.take()
        {
            drop(Object::take(client));
        }
    }
}
