//! Which owners and modes of files and folders a process can trust.

/// The number that stands for an owner without a number in this user namespace (`user_namespaces(7)`).
const OVERFLOW_USER: u32 = 65_534;

/// The owner and the mode of a file or folder, as stat(2) returns them, and the user of the process that
/// judges them.
///
/// A group is never judged. A volume that an orchestrator prepares belongs to root and gives its rights to a
/// group (`fsGroup` of Kubernetes), and the bits of the group show the mask of an access control list
/// (acl(5)), as with the credentials of systemd.
///
/// Judge an open file, not its path: then the file cannot be replaced between the check and its use,
/// and a symlink leads to the file that counts.
///
/// ```
/// use artifact_backend::{Ownership, OwnershipError};
///
/// // Of root, mode 0440: the process reads it through its group.
/// assert_eq!(Ownership::new(0, 0o440, 1000).check_secret(), Ok(()));
/// let foreign = Ownership::new(1001, 0o400, 1000).check_secret();
/// assert_eq!(foreign, Err(OwnershipError::ForeignOwner { owner: 1001, user: 1000 }));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ownership {
    owner: u32,
    mode: u32,
    user: u32,
}

impl Ownership {
    /// Takes the owner, the mode (`st_mode`, with or without the type of the file) and the effective user of
    /// the process (geteuid(2)).
    pub const fn new(owner: u32, mode: u32, user: u32) -> Self {
        Self { owner, mode, user }
    }

    /// Checks a file or folder whose content this process trusts, such as a database: only root, the user of the
    /// process and a group can change it. In a folder with the sticky bit, every user may create files.
    ///
    /// # Errors
    ///
    /// If another user owns it, or if every user can write to it.
    pub const fn check_trusted(self) -> Result<(), OwnershipError> {
        const FOLDER: u32 = 0o040_000;
        let (owner, user) = (self.owner, self.user);
        let is_sticky = self.mode & 0o170_000 == FOLDER && self.mode & 0o1000 != 0;
        if owner != user && owner != 0 {
            Err(OwnershipError::ForeignOwner { owner, user })
        } else if self.mode & 0o002 != 0 && !is_sticky {
            Err(OwnershipError::WritableByAll {
                mode: self.mode & 0o7777,
            })
        } else {
            Ok(())
        }
    }

    /// Checks a file with a secret: besides [`check_trusted`](Self::check_trusted), not every user can read
    /// it.
    ///
    /// # Errors
    ///
    /// If another user owns it, or if every user can read it or write to it.
    pub const fn check_secret(self) -> Result<(), OwnershipError> {
        match self.check_trusted() {
            Ok(()) if self.mode & 0o004 != 0 => Err(OwnershipError::ReadableByAll {
                mode: self.mode & 0o7777,
            }),
            checked => checked,
        }
    }
}

/// The reason why a file or folder is not trusted. The text continues a sentence that begins with the
/// file's name, and says what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OwnershipError {
    /// Another user than root and the user of the process owns it, and so can change it.
    #[error(
        "belongs to user {owner}, but this process is user {user}; run it as user {owner}, or chown the file to \
         {user}{}",
        hint(*owner)
    )]
    ForeignOwner {
        /// The user who owns it.
        owner: u32,
        /// The user of the process.
        user: u32,
    },
    /// Every user of the machine can read it.
    #[error("can be read by every user (mode {mode:03o}); chmod o= it")]
    ReadableByAll {
        /// The mode, without the type of the file.
        mode: u32,
    },
    /// Every user of the machine can write to it.
    #[error("can be changed by every user (mode {mode:03o}); chmod o-w it")]
    WritableByAll {
        /// The mode, without the type of the file.
        mode: u32,
    },
}

/// Explains an owner that may be none.
const fn hint(owner: u32) -> &'static str {
    if owner == OVERFLOW_USER {
        " (user 65534 also stands for an owner that the user namespace of a container does not map; then map \
         it, or copy the file inside the container)"
    } else {
        ""
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_of_root_or_of_the_process_and_closed_to_others() {
        for (owner, mode) in [
            (7, 0o600),
            (7, 0o400),
            (7, 0o660),
            (0, 0o400),
            (0, 0o440),
            (0, 0o100_640),
        ] {
            assert_eq!(
                Ownership::new(owner, mode, 7).check_secret(),
                Ok(()),
                "{mode:o}"
            );
        }
        for mode in [0o444, 0o604, 0o644, 0o100_664] {
            let mode_only = mode & 0o777;
            let expected = Err(OwnershipError::ReadableByAll { mode: mode_only });
            assert_eq!(Ownership::new(0, mode, 7).check_secret(), expected);
            assert_eq!(Ownership::new(7, mode, 7).check_secret(), expected);
        }
        for mode in [0o602, 0o666, 0o1602] {
            let expected = Err(OwnershipError::WritableByAll { mode });
            assert_eq!(Ownership::new(7, mode, 7).check_secret(), expected);
        }
        // Root trusts no other user either.
        for (owner, user) in [(8, 7), (7, 0), (65_534, 7)] {
            let expected = Err(OwnershipError::ForeignOwner { owner, user });
            assert_eq!(Ownership::new(owner, 0o400, user).check_secret(), expected);
        }
    }

    #[test]
    fn trusted_folders_may_be_writable_for_a_group_or_sticky() {
        for mode in [0o040_700, 0o042_770, 0o042_775, 0o041_777, 0o040_755] {
            for owner in [0, 7] {
                let ownership = Ownership::new(owner, mode, 7);
                assert_eq!(ownership.check_trusted(), Ok(()), "{mode:o}");
            }
        }
        let open = Ownership::new(7, 0o042_777, 7).check_trusted();
        assert_eq!(open, Err(OwnershipError::WritableByAll { mode: 0o2777 }));
        // The sticky bit of a file protects nothing.
        let open = Ownership::new(7, 0o101_666, 7).check_trusted();
        assert_eq!(open, Err(OwnershipError::WritableByAll { mode: 0o1666 }));
        let foreign = Ownership::new(8, 0o040_700, 7).check_trusted().unwrap_err();
        let text = foreign.to_string();
        let expected = "belongs to user 8, but this process is user 7; run it as user 8, or chown the file to 7";
        assert_eq!(text, expected);
        let unmapped = Ownership::new(65_534, 0o040_700, 7).check_trusted();
        assert!(unmapped.unwrap_err().to_string().contains("namespace"));
    }
}
