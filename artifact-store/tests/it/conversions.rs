//! Ids and names from and to text, and errors of the store as `io::Error`.

use std::io;

use artifact_store::{
    ContentType, DisplayName, Error, ErrorKind, ExperimentId, FileName, GroupId, MemberId,
    Operation, PrincipalId, WorkerId,
};

fn text(value: &impl AsRef<str>) -> &str {
    value.as_ref()
}

#[test]
fn ids_convert_from_and_to_text() {
    let worker = WorkerId::mint();
    let group = GroupId::mint();
    assert_eq!(WorkerId::try_from(text(&worker)), Ok(worker));
    assert_eq!(GroupId::try_from(text(&group)), Ok(group));
    assert_eq!(MemberId::try_from(text(&group)), Ok(MemberId::Group(group)));
    assert_eq!(
        PrincipalId::try_from(text(&PrincipalId::Admin)),
        Ok(PrincipalId::Admin)
    );
    assert!(WorkerId::try_from(text(&group)).is_err());
    let experiment = ExperimentId::try_from("home").unwrap();
    assert_eq!(text(&experiment), "home");
    assert!(ExperimentId::try_from("..").is_err());
    let name = DisplayName::try_from("Köln").unwrap();
    assert_eq!(text(&name), "Köln");
    assert_eq!(text(&ContentType::default()), ContentType::DEFAULT);
    assert_eq!(text(&FileName::clean("x/a").unwrap()), "a");
}

#[test]
fn errors_keep_their_kind_and_can_be_found() {
    for (kind, expected) in [
        (ErrorKind::NotFound, io::ErrorKind::NotFound),
        (ErrorKind::Forbidden, io::ErrorKind::PermissionDenied),
        (ErrorKind::TooLarge, io::ErrorKind::FileTooLarge),
        (ErrorKind::Corrupt, io::ErrorKind::InvalidData),
        (ErrorKind::Unexpected, io::ErrorKind::Other),
    ] {
        let error = io::Error::from(Error::new(kind, Operation::Experiment));
        assert_eq!(error.kind(), expected);
        let inner = error.get_ref().unwrap().downcast_ref::<Error>().unwrap();
        assert_eq!(inner.kind(), kind);
    }
}
