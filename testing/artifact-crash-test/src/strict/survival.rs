//! The rules that decide which unsynced edits survive a crash.

use super::event::Edit;
use crate::random::Random;

/// A rule that selects the unsynced edits that survive a crash. Synced edits always survive.
///
/// A promise of durability must hold under every rule, because the file system, the disk and the timing
/// decide which one applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Survival {
    /// No edit survives, as on the strictest disk.
    Nothing,
    /// All edits survive, as if the process died but not the machine.
    Everything,
    /// Names survive and bytes do not, as with delayed allocation.
    NamesOnly,
    /// Bytes survive and names do not.
    DataOnly,
    /// A random subset survives, different in each trial: each edit independently, or all edits up to a
    /// moment, or names up to a moment and each write independently. A write may be torn at a multiple of
    /// 512 bytes.
    Random,
}

impl Survival {
    /// All rules.
    pub const ALL: [Self; 5] = [
        Self::Nothing,
        Self::Everything,
        Self::NamesOnly,
        Self::DataOnly,
        Self::Random,
    ];

    /// Returns the rule as one word, as printed in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Everything => "everything",
            Self::NamesOnly => "names-only",
            Self::DataOnly => "data-only",
            Self::Random => "random",
        }
    }
}

/// The selection of surviving edits for one crash state.
#[derive(Debug)]
pub(crate) struct Selector {
    rule: Rule,
    random: Random,
}

#[derive(Debug)]
enum Rule {
    Fixed(Survival),
    Independent { parts: u8 },
    UpTo(usize),
    NamesUpTo(usize),
}

impl Selector {
    /// Creates the selection for a crash at position `now` of a recording. Only [`Survival::Random`] uses
    /// `random`.
    pub(crate) fn new(survival: Survival, now: usize, mut random: Random) -> Self {
        let rule = match survival {
            Survival::Random => match random.below(4) {
                0 => Rule::UpTo(random.below(now + 1)),
                1 => Rule::NamesUpTo(random.below(now + 1)),
                _ => Rule::Independent {
                    parts: [48, 128, 208][random.below(3)],
                },
            },
            fixed => Rule::Fixed(fixed),
        };
        Self { rule, random }
    }

    /// Returns the surviving edits among an inode's pending edits. Writes may be torn.
    pub(crate) fn select<'a>(
        &mut self,
        pending: impl IntoIterator<Item = &'a (usize, Edit)>,
    ) -> Vec<Edit> {
        pending
            .into_iter()
            .filter_map(|(position, edit)| self.select_one(*position, edit))
            .collect()
    }

    fn select_one(&mut self, position: usize, edit: &Edit) -> Option<Edit> {
        let names = matches!(edit, Edit::Names(_));
        let survives = match self.rule {
            Rule::Fixed(Survival::Everything) => true,
            Rule::Fixed(Survival::NamesOnly) => names,
            Rule::Fixed(Survival::DataOnly) => !names,
            Rule::Fixed(_) => false,
            Rule::Independent { parts } => self.random.chance(parts),
            Rule::UpTo(cut) => position < cut,
            Rule::NamesUpTo(cut) if names => position < cut,
            Rule::NamesUpTo(_) => self.random.chance(128),
        };
        survives.then(|| match edit {
            Edit::Write(offset, data) if matches!(self.rule, Rule::Independent { .. }) => {
                Edit::Write(*offset, self.tear(data))
            }
            edit => edit.clone(),
        })
    }

    /// Cuts one in eight long writes short at a sector boundary.
    fn tear(&mut self, data: &std::sync::Arc<[u8]>) -> std::sync::Arc<[u8]> {
        if data.len() <= 512 || !self.random.chance(32) {
            return data.clone();
        }
        let sectors = self.random.below(data.len().div_ceil(512));
        data[..sectors * 512].into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pending() -> Vec<(usize, Edit)> {
        vec![
            (3, Edit::Write(0, vec![1; 4096].into())),
            (4, Edit::Names(vec![("a".into(), Some(9))])),
            (5, Edit::Resize(10)),
        ]
    }

    fn survivors(survival: Survival, seed: u64) -> usize {
        Selector::new(survival, 6, Random::new(seed))
            .select(&pending())
            .len()
    }

    #[test]
    fn each_fixed_rule_selects_its_kind_of_edit() {
        assert_eq!(survivors(Survival::Nothing, 0), 0);
        assert_eq!(survivors(Survival::Everything, 0), 3);
        assert_eq!(survivors(Survival::NamesOnly, 0), 1);
        assert_eq!(survivors(Survival::DataOnly, 0), 2);
    }

    #[test]
    fn random_selection_is_reproducible_and_reaches_every_count() {
        let counts: std::collections::BTreeSet<_> = (0..200)
            .map(|seed| survivors(Survival::Random, seed))
            .collect();
        assert_eq!(counts, (0..4).collect());
        let twice = || {
            format!(
                "{:?}",
                Selector::new(Survival::Random, 6, Random::new(7)).select(&pending())
            )
        };
        assert_eq!(twice(), twice());
    }
}
