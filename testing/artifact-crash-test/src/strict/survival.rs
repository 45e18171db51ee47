//! What of the unsynced may survive.

use super::event::Edit;
use crate::random::Random;

/// A rule that says which edits survive though nothing synced them. What was synced always does.
///
/// A durable promise must hold under every one of them: which applies is the file system's, the
/// disk's and the moment's choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Survival {
    /// Nothing: the strictest disk.
    Nothing,
    /// Everything: the process died and the machine did not.
    Everything,
    /// Names and no bytes: metadata first, as with delayed allocation.
    NamesOnly,
    /// Bytes and no names.
    DataOnly,
    /// A random part, another one in each trial: each edit on its own, or all up to some moment, or
    /// names up to some moment with bytes each on its own; a write may be torn at 512 bytes.
    Random,
}

impl Survival {
    /// Each of them.
    pub const ALL: [Self; 5] = [
        Self::Nothing,
        Self::Everything,
        Self::NamesOnly,
        Self::DataOnly,
        Self::Random,
    ];

    /// The rule in one word, as it stands in tables.
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

/// One rule with its dice thrown: the choice for one crash state.
#[derive(Debug)]
pub(crate) struct Choice {
    rule: Rule,
    random: Random,
}

#[derive(Debug)]
enum Rule {
    Plain(Survival),
    Each { parts: u8 },
    UpTo(usize),
    NamesUpTo(usize),
}

impl Choice {
    /// The choice for a crash at position `now` of a recording; `random` matters to
    /// [`Survival::Random`] only.
    pub(crate) fn new(survival: Survival, now: usize, mut random: Random) -> Self {
        let rule = match survival {
            Survival::Random => match random.below(4) {
                0 => Rule::UpTo(random.below(now + 1)),
                1 => Rule::NamesUpTo(random.below(now + 1)),
                _ => Rule::Each {
                    parts: [48, 128, 208][random.below(3)],
                },
            },
            plain => Rule::Plain(plain),
        };
        Self { rule, random }
    }

    /// Which of an inode's pending edits survive, perhaps cut.
    pub(crate) fn of<'a>(
        &mut self,
        pending: impl IntoIterator<Item = &'a (usize, Edit)>,
    ) -> Vec<Edit> {
        pending
            .into_iter()
            .filter_map(|(at, edit)| self.one(*at, edit))
            .collect()
    }

    fn one(&mut self, at: usize, edit: &Edit) -> Option<Edit> {
        let names = matches!(edit, Edit::Names(_));
        let survives = match self.rule {
            Rule::Plain(Survival::Everything) => true,
            Rule::Plain(Survival::NamesOnly) => names,
            Rule::Plain(Survival::DataOnly) => !names,
            Rule::Plain(_) => false,
            Rule::Each { parts } => self.random.chance(parts),
            Rule::UpTo(cut) => at < cut,
            Rule::NamesUpTo(cut) if names => at < cut,
            Rule::NamesUpTo(_) => self.random.chance(128),
        };
        survives.then(|| match edit {
            Edit::Write(offset, data) if matches!(self.rule, Rule::Each { .. }) => {
                Edit::Write(*offset, self.torn(data))
            }
            edit => edit.clone(),
        })
    }

    /// One long write in eight is cut short at a sector's edge.
    fn torn(&mut self, data: &std::sync::Arc<[u8]>) -> std::sync::Arc<[u8]> {
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
        Choice::new(survival, 6, Random::new(seed))
            .of(&pending())
            .len()
    }

    #[test]
    fn the_plain_rules_choose_as_they_say() {
        assert_eq!(survivors(Survival::Nothing, 0), 0);
        assert_eq!(survivors(Survival::Everything, 0), 3);
        assert_eq!(survivors(Survival::NamesOnly, 0), 1);
        assert_eq!(survivors(Survival::DataOnly, 0), 2);
    }

    #[test]
    fn random_reaches_every_number_of_survivors_and_repeats_itself() {
        let counts: std::collections::BTreeSet<_> = (0..200)
            .map(|seed| survivors(Survival::Random, seed))
            .collect();
        assert_eq!(counts, (0..4).collect());
        let twice = || {
            format!(
                "{:?}",
                Choice::new(Survival::Random, 6, Random::new(7)).of(&pending())
            )
        };
        assert_eq!(twice(), twice());
    }
}
