//! Lists the register maps, so that a new one is one new file.

use std::fmt::Write;
use std::path::Path;

fn main() {
    let folder = Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join("src/modbus/maps");
    println!("cargo:rerun-if-changed={}", folder.display());
    let mut names: Vec<String> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|file| file.strip_suffix(".toml").map(str::to_owned))
        .collect();
    names.sort();
    let mut list = "&[\n".to_owned();
    for name in names {
        let file = folder.join(format!("{name}.toml"));
        writeln!(list, "    ({name:?}, include_str!({file:?})),").unwrap();
    }
    list.push_str("]\n");
    let out = Path::new(&std::env::var("OUT_DIR").unwrap()).join("maps.rs");
    std::fs::write(out, list).unwrap();
}
