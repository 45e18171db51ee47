#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod subject;
mod suite;

mod blind;
mod report;
mod scenario;
mod scenarios;

mod call;
mod check;
mod form;
mod raw;
mod reply;
mod site;

pub use blind::BLIND;
pub use report::{Report, ScenarioReport, Verdict};
pub use scenario::Scenario;
pub use subject::{Subject, SubjectError};
pub use suite::Suite;
