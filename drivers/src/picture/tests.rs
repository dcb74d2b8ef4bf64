use std::path::Path;

use proptest::prelude::*;

use super::*;

/// Installed by `deploy/setup/system.sh`.
fn font() -> Font {
    Font::open(
        Path::new("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc"),
        2,
    )
    .unwrap()
}

fn draw(text: &str, width: u16, height: u16) -> Bitmap {
    font().draw(text, width, height).unwrap().picture
}

/// The rectangle of what is lit: left, top, right, bottom.
fn lit(picture: &Bitmap) -> Option<(u16, u16, u16, u16)> {
    let all = || (0..picture.height()).flat_map(|y| (0..picture.width()).map(move |x| (x, y)));
    let lit = || all().filter(|(x, y)| picture.is_lit(*x, *y));
    let (left, right) = (lit().map(|(x, _)| x).min()?, lit().map(|(x, _)| x).max()?);
    let (top, bottom) = (lit().map(|(_, y)| y).min()?, lit().map(|(_, y)| y).max()?);
    Some((left, top, right, bottom))
}

#[test]
fn a_character_fills_its_square() {
    let picture = draw("国", 32, 32);
    let (left, top, right, bottom) = lit(&picture).unwrap();
    assert!(right - left >= 24 && bottom - top >= 26, "{picture}");
    assert!(
        left.abs_diff(31 - right) <= 2 && top.abs_diff(31 - bottom) <= 2,
        "{picture}"
    );
    // A frame with a jade in it: its outer strokes are whole.
    let is_column = |x| (top..=bottom).all(|y| picture.is_lit(x, y));
    assert!(is_column(left) && is_column(right), "{picture}");
}

#[test]
fn the_same_text_gives_the_same_picture_and_another_another() {
    assert_eq!(draw("A001", 64, 16), draw("A001", 64, 16));
    assert_ne!(draw("A001", 64, 16), draw("A002", 64, 16));
}

#[test]
fn a_long_text_is_smaller_and_still_whole() {
    let short = lit(&draw("请A1", 128, 32)).unwrap();
    let long = lit(&draw("请A001号到3号窗口", 128, 32)).unwrap();
    let height = |(_, top, _, bottom): (u16, u16, u16, u16)| bottom - top;
    assert!(height(long) < height(short));
    assert!(long.0 > 0 && long.2 < 127, "{long:?}");
    let much = "请A001号的顾客到3号窗口办理业务";
    let error = font().draw(much, 64, 16).unwrap_err().to_string();
    assert_eq!(error, "the text is too long for 64×16 pixels");
}

#[test]
fn lines_are_rows_of_the_same_height() {
    let picture = draw("国\n国", 64, 33);
    let row = |from: u16| -> Vec<Vec<bool>> {
        let of = |y| (0..64).map(|x| picture.is_lit(x, y)).collect();
        (from..from + 16).map(of).collect()
    };
    assert_eq!(row(0), row(16), "{picture}");
    assert!(row(0).iter().flatten().any(|lit| *lit));
}

/// A dash stands where it stands beside other characters, not at the top.
#[test]
fn a_line_stands_where_others_stand() {
    let (_, top, _, bottom) = lit(&draw("一", 32, 32)).unwrap();
    assert!(top > 10 && bottom < 22);
}

#[test]
fn characters_the_font_lacks_are_said_once() {
    let drawn = font().draw("A\u{E000}号\u{E000}\u{E001} ", 64, 16).unwrap();
    assert_eq!(drawn.missing, "\u{E000}\u{E001}");
    assert!(font().draw("请A1号", 64, 16).unwrap().missing.is_empty());
}

#[test]
fn what_is_no_font_is_named() {
    let missing = Font::open(Path::new("/nowhere/at.ttf"), 0).unwrap_err();
    assert!(
        missing.to_string().starts_with("/nowhere/at.ttf: "),
        "{missing}"
    );
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
    let error = Font::open(path, 0).unwrap_err().to_string();
    assert!(
        error.ends_with("Cargo.toml: no TrueType or OpenType font"),
        "{error}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_text_on_any_area_is_a_picture_of_that_size_or_an_error(
        text in "[\\PC\\n\\t]{0,12}", width in 0..200_u16, height in 0..70_u16,
    ) {
        if let Ok(drawn) = font().draw(&text, width, height) {
            prop_assert_eq!((drawn.picture.width(), drawn.picture.height()), (width, height));
        }
    }
}
