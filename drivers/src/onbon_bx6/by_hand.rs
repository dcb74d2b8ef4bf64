use super::frame::lamps::{Colour, Lamps};
use super::frame::*;
use crate::picture::{Bitmap, Font};

#[test]
fn random_areas_equal_the_clients() {
    let kinds = [
        ("red", Lamps::OneColour, Colour::Red),
        ("yellow", Lamps::TwoColours, Colour::Yellow),
        ("green", Lamps::ThreeColours, Colour::Green),
        ("white", Lamps::AllColours, Colour::White),
    ];
    for (name, lamps, colour) in kinds {
        let raw = std::fs::read_to_string(format!("/tmp/bx6/run/raw_{name}.txt")).unwrap();
        let areas = std::fs::read_to_string(format!("/tmp/bx6/run/areas_{name}.txt")).unwrap();
        let raw: Vec<Vec<u8>> = raw
            .lines()
            .filter(|line| line.contains("0080f000"))
            .map(|line| crate::link::replay::hex(line).unwrap())
            .collect();
        let areas: Vec<&str> = areas.lines().filter_map(|line| line.strip_prefix("AREA ")).collect();
        assert_eq!((raw.len(), areas.len()), (500, 500));
        for (raw, area) in raw.iter().zip(areas) {
            let words: Vec<&str> = area.split(' ').collect();
            let n = |at: usize| words[at].parse::<u16>().unwrap();
            let (x, y, width, height) = (n(2), n(3), n(4), n(5));
            let bits = words[6].as_bytes();
            let picture = Bitmap::of(width, height, |u, v| {
                bits[usize::from(v) * usize::from(width) + usize::from(u)] == b'1'
            });
            let theirs = Parser::default().feed(raw).remove(0);
            let Body::Show(theirs_area) = &theirs.body else { panic!("{theirs}") };
            assert_eq!(lamps.read(&theirs_area.pictures[0], x, width, height).as_ref(), Some(&picture));
            let ours = Frame {
                to: 1,
                from: HOST,
                device: theirs.device,
                head: Head::Dynamic,
                body: Body::Show(Area {
                    id: n(0) as u8,
                    alone: n(1) == 1,
                    x,
                    y,
                    width,
                    height,
                    pictures: vec![lamps.write(&picture, colour, x)],
                }),
            };
            assert_eq!(&ours.encode(), raw, "{area}");
        }
    }
}

#[test]
fn look() {
    for path in ["/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc", "/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc", "/usr/share/fonts/opentype/unifont/unifont.otf"] {
        let face = if path.contains("Noto") { 2 } else { 0 };
        let font = Font::open(path.as_ref(), face).unwrap();
        for (text, w, h) in [("请A016号到3号窗口", 160, 16), ("欢迎光临gy", 128, 16), ("请B016号\n到3号窗口", 128, 32), ("暂停服务", 128, 32)] {
            println!("{path} {text}");
            match font.draw(text, w, h) { Ok(drawn) => println!("{}", drawn.picture), Err(e) => println!("{e}") }
        }
    }
}

#[tokio::test]
async fn serve_the_vendors_client() {
    let card = super::CardSimulator::start_tcp(1).await.unwrap();
    card.wear(96, 40, Lamps::TwoColours);
    std::fs::write("/tmp/bx6/run/port", card.path()).unwrap();
    for _ in 0..600 {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        if std::path::Path::new("/tmp/bx6/run/stop").exists() { break; }
    }
    let told = card.told();
    println!("told {} commands, the last {:?}", told.len(), &told[told.len().saturating_sub(4)..]);
    for id in 0..4 { if let Some(p) = card.seen(id) { println!("area {id}\n{p}"); } }
}
