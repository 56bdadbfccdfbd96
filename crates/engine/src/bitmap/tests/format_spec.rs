//! The test files that the Roaring specification publishes, when `ROARING_FORMAT_SPEC` names a checkout of it.

use super::super::wide::{self, View64};
use super::*;
use roaring::RoaringTreemap;

#[test]
fn published_files_are_read_as_documented() {
    let Some(dir) = std::env::var_os("ROARING_FORMAT_SPEC") else {
        eprintln!("skipped: ROARING_FORMAT_SPEC is not set");
        return;
    };
    let read = |name: &str| std::fs::read(std::path::Path::new(&dir).join(name)).unwrap();
    let want: Oracle = (0..100_000)
        .step_by(1000)
        .chain((100_000..200_000).map(|k| 3 * k))
        .chain(700_000..800_000)
        .collect();
    for name in ["testdata/bitmapwithoutruns.bin", "testdata/bitmapwithruns.bin"] {
        let file = read(name);
        View::new(&file).unwrap().check().unwrap();
        let set = ops::import(&file).unwrap();
        assert!(
            Bitmap::from_portable(&set).unwrap().iter().eq(want.iter().copied()),
            "{name}"
        );
        assert!(
            RoaringBitmap::deserialize_from(&set[..])
                .unwrap()
                .iter()
                .eq(want.iter().copied())
        );
        assert!(ops::same(&View::new(&file).unwrap(), &View::new(&set).unwrap()).unwrap());
    }
    let one: BTreeSet<u64> = (0..65_536)
        .step_by(2)
        .chain((1 << 32)..(1 << 32) + 1_000_000)
        .chain([1 << 48])
        .collect();
    let half = |base: u64| {
        let runs = (0..=0x9000).chain(0xa000..=0x1_0000);
        let rest = [0x2_0000, 0x2_0005]
            .into_iter()
            .chain((0..0x1_0000).step_by(2).map(|j| 0x8_0000 + j));
        runs.chain(rest).map(move |id| base | id)
    };
    let two: BTreeSet<u64> = half(0).chain(half(1 << 32)).collect();
    for (name, want) in [
        ("testdata64/bitmap64.bin", one),
        ("testdata64/portable_bitmap64.bin", two),
    ] {
        let file = read(name);
        View64::new(&file).unwrap().check().unwrap();
        let set = wide::import(&file).unwrap();
        assert!(
            wide::into_ids(&View64::new(&set).unwrap())
                .unwrap()
                .eq(want.iter().copied()),
            "{name}"
        );
        assert!(
            RoaringTreemap::deserialize_from(&set[..])
                .unwrap()
                .iter()
                .eq(want.iter().copied())
        );
        assert!(wide::same(&View64::new(&file).unwrap(), &View64::new(&set).unwrap()).unwrap());
    }
}
