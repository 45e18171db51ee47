//! A check of a root that no process uses: the files, the seals and the frames of its segments.

mod finding;
mod segment;

use std::collections::BTreeSet;
use std::fs::File;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use artifact_backend::{Operation, Result};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;

use crate::linux::error::failed;
use crate::linux::root::{LARGE, MARKER, Marker, NEW_MARKER, SEGMENTS, in_use, read_marker};
use crate::linux::segment::{name as segment_name, number as segment_number};
use crate::linux::spares::Spare;
use crate::linux::sys;

use segment::Recorded;

pub use finding::{PackFinding, PackProblem, RootReport};

/// Checks the files of a root that no process has open. Calls `observe` for each finding.
///
/// Reads the header, the seal, the filter, the fences, the index and the tables of the frames of each segment, and compares the index with the
/// frames. Of the newest segment it reads everything. The bytes of the blobs in the other segments are not read:
/// [`PackBackend::scrub`](crate::PackBackend::scrub) does that. The folder `large` is looked for, but not into: it is a root of
/// `artifact-backend-fs`, which has a check of its own.
///
/// It blocks: call it on a thread that may. It holds the lock of the root meanwhile, so no process can open it. It changes nothing. The
/// memory holds the entries of one segment.
///
/// ```
/// use artifact_backend_pack::{PackBackend, PackConfig, check_root};
///
/// # async fn example(folder: &std::path::Path) -> artifact_backend::Result<()> {
/// drop(PackBackend::open(folder, PackConfig::default()).await?);
/// let report = check_root(folder, |finding| {
///     println!("{}: {}", finding.path.display(), finding.problem);
/// })?;
/// assert!(report.is_good());
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// `Unavailable` if a process has the root open; `Misconfigured` if it is not a folder, or if its format marker is of another layout
/// or program; otherwise the error of the operating system. Damage is a finding and not an error.
pub fn check_root(root: &Path, observe: impl FnMut(PackFinding)) -> Result<RootReport> {
    let fail = |action| move |errno| failed(Operation::Open, None, action, errno);
    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
    let opened = sys::retry(|| rustix::fs::openat(CWD, root, flags, Mode::empty()));
    let folder = File::from(opened.map_err(fail("open the root"))?);
    if !sys::try_lock(&folder).map_err(fail("lock the root"))? {
        return Err(in_use());
    }
    let mut check = RootCheck {
        report: RootReport::default(),
        observe,
    };
    if read_marker(folder.as_fd())? == Marker::None {
        check.find(MARKER, PackProblem::Missing);
    }
    check.root(&folder).map_err(fail("read the root"))?;
    Ok(check.report)
}

/// A check that runs.
struct RootCheck<F> {
    report: RootReport,
    observe: F,
}

impl<F: FnMut(PackFinding)> RootCheck<F> {
    fn find(&mut self, path: impl Into<PathBuf>, problem: PackProblem) {
        self.report.findings += 1;
        (self.observe)(PackFinding {
            path: path.into(),
            problem,
        });
    }

    /// Checks the names in the root, then the segments.
    fn root(&mut self, folder: &File) -> Result<(), Errno> {
        let names = sys::names(folder.as_fd())?;
        self.report.checked += names.len() as u64;
        for name in &names {
            if ![MARKER, NEW_MARKER, SEGMENTS, LARGE].contains(&name.as_str()) {
                self.find(name, PackProblem::Unexpected);
            }
        }
        if !names.iter().any(|name| name == LARGE) {
            self.find(LARGE, PackProblem::Missing);
        }
        match sys::open_folder(folder.as_fd(), SEGMENTS) {
            Ok(segments) => self.segments(&segments),
            Err(Errno::NOENT) => {
                self.find(SEGMENTS, PackProblem::Missing);
                Ok(())
            }
            Err(Errno::LOOP | Errno::NOTDIR) => {
                self.find(SEGMENTS, PackProblem::WrongType);
                Ok(())
            }
            Err(errno) => Err(errno),
        }
    }

    /// Checks the folder of segments: first its names, then each segment.
    fn segments(&mut self, folder: &File) -> Result<(), Errno> {
        let names = SegmentNames::of(sys::names(folder.as_fd())?);
        self.report.checked += names.count;
        for (name, problem) in &names.findings {
            self.find(Path::new(SEGMENTS).join(name), problem.clone());
        }
        let newest = names.segments.last().copied().unwrap_or(0);
        if names.head > newest {
            let missing = Path::new(SEGMENTS).join(segment_name(names.head));
            self.find(missing, PackProblem::Missing);
        }
        for number in &names.segments {
            let place = segment::Place {
                number: *number,
                is_newest: *number == newest,
                was_written: *number <= names.head,
                recorded: names.recorded(*number),
            };
            let problems = segment::problems(folder, place);
            self.report.segments += 1;
            for problem in problems {
                let path = Path::new(SEGMENTS).join(segment_name(*number));
                self.find(path, problem);
            }
        }
        Ok(())
    }
}

/// What the names in the folder of segments say.
#[derive(Debug, Default)]
struct SegmentNames {
    count: u64,
    segments: BTreeSet<u32>,
    /// The segment that was the last one to be written to.
    head: u32,
    /// Segments of which a part is not used, because a sync failed.
    cut: BTreeSet<u32>,
    /// Segments with frames whose loss is recorded.
    lost: BTreeSet<u32>,
    findings: Vec<(String, PackProblem)>,
}

impl SegmentNames {
    fn recorded(&self, number: u32) -> Option<Recorded> {
        if self.cut.contains(&number) {
            return Some(Recorded::FailedSync);
        }
        self.lost.contains(&number).then_some(Recorded::LostFrames)
    }

    fn of(all: Vec<String>) -> Self {
        let mut names = Self::default();
        for name in all {
            names.count += 1;
            let of_segment = |separator| {
                let (number, offset) = name.split_once(separator)?;
                u32::from_str_radix(offset, 16).ok()?;
                segment_number(number)
            };
            if let Some(number) = segment_number(&name) {
                names.segments.insert(number);
            } else if let Some(number) = name.strip_prefix("head-").and_then(segment_number) {
                names.head = names.head.max(number);
            } else if let Some(number) = of_segment(".cut-") {
                names.cut.insert(number);
                names.findings.push((name, PackProblem::FailedSync));
            } else if let Some(number) = of_segment(".damaged-") {
                names.lost.insert(number);
                names.findings.push((name, PackProblem::RecordedLoss));
            } else if Spare::named(&name).is_none() {
                names.findings.push((name, PackProblem::Unexpected));
            }
        }
        names
    }
}
