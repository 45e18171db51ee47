//! What the requests name.

/// The artifact, collection, worker or group that the request names, in the first experiment. What is said of the grants of
/// artifacts holds for collections too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    Absent,
    Own,
    /// The administrator's artifact; for workers and groups the same as `Own`.
    Admins,
    /// An artifact, worker or group of the other experiment, or an administrator that was deleted.
    Foreign,
    /// The administrator's artifact, with a grant to the worker `Neighbour`; for workers and groups the same as `Own`, as the
    /// following ones.
    Granted,
    /// With a grant to a group of `Neighbour`.
    GrantedToGroup,
    /// With a grant to a group that contains a group of `Neighbour`.
    GrantedToOuterGroup,
    /// With a grant to `Neighbour` that has expired.
    GrantExpired,
    /// With a grant to `Neighbour` that was revoked.
    GrantRevoked,
    /// The administrator's artifact in a collection with a grant to `Neighbour`; for collections the same as `Granted`.
    InGrantedCollection,
    /// In a collection whose grant to `Neighbour` was revoked; for collections the same as `GrantRevoked`.
    InCollectionGrantRevoked,
}

impl Target {
    pub(super) const ALL: [Self; 11] = [
        Self::Absent,
        Self::Own,
        Self::Admins,
        Self::Foreign,
        Self::Granted,
        Self::GrantedToGroup,
        Self::GrantedToOuterGroup,
        Self::GrantExpired,
        Self::GrantRevoked,
        Self::InGrantedCollection,
        Self::InCollectionGrantRevoked,
    ];

    pub(super) fn is_here(self) -> bool {
        !matches!(self, Self::Absent | Self::Foreign)
    }

    /// Returns whether `Neighbour` may read it by a grant.
    pub(super) fn is_granted(self) -> bool {
        matches!(
            self,
            Self::Granted
                | Self::GrantedToGroup
                | Self::GrantedToOuterGroup
                | Self::InGrantedCollection
        )
    }
}
