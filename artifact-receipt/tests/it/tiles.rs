//! Tiles and their paths.

use artifact_receipt::TileId;

#[test]
fn a_tree_of_70000_has_the_tiles_of_the_specification() {
    // https://c2sp.org/tlog-tiles, "Partial Tiles".
    let tile = |level, number| TileId::in_tree(level, number, 70_000);
    let text = |level, number| tile(level, number).map(|tile| tile.to_string());
    assert_eq!(text(0, 0).as_deref(), Some("0/000"));
    assert_eq!(text(0, 272).as_deref(), Some("0/272"));
    assert_eq!(text(0, 273).as_deref(), Some("0/273.p/112"));
    assert_eq!(text(0, 274), None);
    assert_eq!(text(1, 0).as_deref(), Some("1/000"));
    assert_eq!(text(1, 1).as_deref(), Some("1/001.p/17"));
    assert_eq!(text(2, 0).as_deref(), Some("2/000.p/1"));
    assert_eq!(text(3, 0), None);
    let exact = |level| TileId::in_tree(level, 0, 256).map(|tile| tile.to_string());
    assert_eq!(exact(0).as_deref(), Some("0/000"));
    assert_eq!(exact(1).as_deref(), Some("1/000.p/1"));
}

#[test]
fn paths_are_parsed_letter_for_letter() {
    let tile = TileId::parse("0/x001/x234/067").unwrap();
    assert_eq!(
        (tile.level(), tile.number(), tile.width()),
        (0, 1_234_067, 256)
    );
    assert_eq!(tile.nodes(), 1_234_067 * 256..1_234_068 * 256);
    for path in [
        "0/000",
        "7/999",
        "0/x001/000",
        "3/x123/456.p/1",
        "0/000.p/255",
    ] {
        assert_eq!(TileId::parse(path).unwrap().to_string(), path);
    }
    for path in [
        "",
        "/",
        "0",
        "0/",
        "0/0",
        "0/00",
        "0/0000",
        "00/000",
        "01/000",
        "8/000",
        "63/000",
        "-1/000",
        "+0/000",
        "0/x000/001",
        "0/001/002",
        "0/x001",
        "0/x001/x002",
        "0/000.p/0",
        "0/000.p/256",
        "0/000.p/01",
        "0/000.p/",
        "0/000.p/1/",
        "0/000.p/1.p/1",
        "0/000/",
        "0//000",
        "0/00a",
        "0/x١٢٣/000",
        "entries/000",
        "0/../000",
        "0/%30%30%30",
        "0/000\n",
        " 0/000",
        "0/x999/x999/x999/x999/x999/x999/x999/999",
    ] {
        assert_eq!(TileId::parse(path), None, "{path}");
    }
}

#[test]
fn a_tile_is_in_the_tree_once_all_its_hashes_are() {
    let part = TileId::parse("0/001.p/2").unwrap();
    assert!(!part.is_in_tree(257));
    assert!(part.is_in_tree(258));
    assert!(part.is_in_tree(900));
    let full = TileId::parse("1/000").unwrap();
    assert!(!full.is_in_tree(65_535));
    assert!(full.is_in_tree(65_536));
}
