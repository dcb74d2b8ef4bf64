//! The driver and python-evdev: over a FIFO, and over a virtual keyboard where the kernel has uinput.

use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::link::replay;
use crate::testing::{Hall, Peer, device, id};

/// A FIFO in a folder of its own, gone when dropped.
struct Fifo(PathBuf);

impl Fifo {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("zhiban-pad-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("pad");
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }

    async fn pad(&self) -> Peer {
        Peer::python("hid_pad/peers/pad.py", &["fifo", self.path()]).await
    }

    /// A FIFO has no keys to take: `grab` is for keyboards.
    fn hall(&self, more: &str) -> Hall {
        let settings = format!("path = '{}'\ngrab = false\n{more}", self.path());
        Hall::open(vec![device("pad", "hid-pad", &settings)])
    }
}

impl Drop for Fifo {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(self.0.parent().unwrap());
    }
}

#[tokio::test]
async fn keys_are_ratings_of_either_direction() {
    let fifo = Fifo::new();
    let mut pad = fifo.pad().await;
    let hall = fifo.hall("best = 1\nrepeat_s = 0");
    for key in ["KEY_1", "KEY_KP4", "KEY_5", "KEY_6", "KEY_ENTER", "KEY_A", "KEY_KP2"] {
        pad.order(&format!("press {key}")).await;
    }
    let expected = ["up", "rated 5 (1) at - by -", "rated 2 (4) at - by -", "rated 1 (5) at - by -"];
    hall.says("pad", 4, "rated 4 (2) at - by -").await;
    assert_eq!(hall.said("pad")[..4], expected);
    hall.close().await;

    let hall = fifo.hall("best = 5\nkeys = { 30 = 5 }");
    pad.order("press KEY_5").await;
    pad.order("press KEY_A").await;
    hall.says("pad", 0, "rated 5 (5) at - by -").await;
    assert_eq!(hall.said("pad").len(), 2);
    hall.close().await;
}

#[tokio::test]
async fn a_key_pressed_again_or_held_is_one_rating() {
    let fifo = Fifo::new();
    let mut pad = fifo.pad().await;
    let hall = fifo.hall("best = 5\nrepeat_s = 3600");
    for order in ["press KEY_4", "press KEY_4", "press KEY_KP4", "hold KEY_3", "press KEY_4", "press KEY_5"] {
        pad.order(order).await;
    }
    hall.says("pad", 0, "rated 5 (5) at - by -").await;
    let expected = ["up", "rated 4 (4) at - by -", "rated 3 (3) at - by -", "rated 5 (5) at - by -"];
    assert_eq!(hall.said("pad"), expected);
    hall.close().await;
}

#[tokio::test]
async fn after_its_time_the_same_key_is_another_rating() {
    let fifo = Fifo::new();
    let mut pad = fifo.pad().await;
    let hall = fifo.hall("best = 5\nrepeat_s = 1");
    pad.order("press KEY_4").await;
    hall.says("pad", 0, "rated 4 (4) at - by -").await;
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    pad.order("press KEY_4").await;
    hall.says("pad", 2, "rated 4 (4) at - by -").await;
    hall.close().await;
}

#[tokio::test]
async fn a_press_the_journal_refuses_is_told_when_it_takes_again() {
    let fifo = Fifo::new();
    let mut pad = fifo.pad().await;
    let hall = fifo.hall("best = 5");
    hall.says("pad", 0, "up").await;
    hall.refuse(2);
    pad.order("press KEY_4").await;
    pad.order("press KEY_4").await;
    pad.order("press KEY_2").await;
    hall.says("pad", 0, "rated 2 (2) at - by -").await;
    assert_eq!(hall.said("pad"), ["up", "rated 4 (4) at - by -", "rated 2 (2) at - by -"]);
    assert_eq!(hall.status("pad").restarts, 0);
    hall.close().await;
}

/// What a real keypad said, byte by byte as it was recorded.
#[tokio::test]
async fn a_recorded_keypad_is_read() {
    let fifo = Fifo::new();
    let mut pad = fifo.pad().await;
    let hall = fifo.hall("best = 5");
    let trace = replay::parse(include_str!("traces/usb_keypad_kp1.txt")).unwrap();
    for piece in trace.bytes.chunks(7) {
        let hex: String = piece.iter().map(|byte| format!("{byte:02x}")).collect();
        pad.order(&format!("raw {hex}")).await;
    }
    hall.says("pad", 0, "rated 1 (1) at - by -").await;
    assert_eq!(hall.status("pad").bad_frames, 0);
    hall.close().await;
}

#[tokio::test]
async fn lost_events_and_noise_are_counted() {
    let fifo = Fifo::new();
    let mut pad = fifo.pad().await;
    let hall = fifo.hall("best = 5");
    pad.order("lost").await;
    let noise = "ff".repeat(24);
    pad.order(&format!("raw {noise}")).await;
    pad.order("press KEY_2").await;
    hall.says("pad", 0, "rated 2 (2) at - by -").await;
    hall.until("both are counted", |hall| hall.status("pad").bad_frames >= 2).await;
    hall.close().await;
}

#[tokio::test]
async fn a_pad_that_is_unplugged_is_down_and_back_by_itself() {
    let fifo = Fifo::new();
    let mut pad = fifo.pad().await;
    let hall = fifo.hall("best = 5");
    pad.order("press KEY_2").await;
    hall.says("pad", 0, "rated 2 (2) at - by -").await;
    pad.order("unplug").await;
    hall.says("pad", 0, "down").await;
    pad.order("plug").await;
    pad.order("press KEY_3").await;
    hall.says("pad", 3, "rated 3 (3) at - by -").await;
    hall.close().await;
}

#[tokio::test]
async fn a_file_that_is_no_keyboard_is_said_so() {
    let fifo = Fifo::new();
    let _pad = fifo.pad().await;
    let settings = format!("path = '{}'\nbest = 5", fifo.path());
    let hall = Hall::open(vec![device("pad", "hid-pad", &settings)]);
    hall.says("pad", 0, "down").await;
    let detail = hall.status("pad").detail.unwrap();
    assert!(detail.contains("keys cannot be taken"), "{detail}");
    hall.close().await;
}

#[tokio::test]
async fn the_monitor_sees_the_keys_of_the_table_only() {
    let fifo = Fifo::new();
    let mut pad = fifo.pad().await;
    let hall = fifo.hall("best = 5");
    for key in ["KEY_S", "KEY_E", "KEY_C", "KEY_2"] {
        pad.order(&format!("press {key}")).await;
    }
    hall.says("pad", 0, "rated 2 (2) at - by -").await;
    let (driver, pieces) = hall.supervisor.pieces(&id("pad")).unwrap();
    let texts = pieces.iter().flat_map(|piece| (driver.explain)(&piece.bytes));
    assert_eq!(texts.map(|piece| piece.text).collect::<Vec<_>>(), ["key 3 pressed"]);
    hall.close().await;
}

/// Only where the kernel has uinput: `cargo test -p zhiban-drivers -- --ignored`.
#[tokio::test]
#[ignore = "needs /dev/uinput"]
async fn a_virtual_keyboard_is_a_pad() {
    let mut pad = Peer::python("hid_pad/peers/pad.py", &["uinput"]).await;
    pad.tell("where").await;
    let said = pad.line().await;
    let path = said.strip_prefix("path ").unwrap().to_owned();
    let hall = Hall::open(vec![device("pad", "hid-pad", &format!("path = '{path}'\nbest = 1"))]);
    hall.says("pad", 0, "up").await;
    pad.order("press KEY_1").await;
    hall.says("pad", 0, "rated 5 (1) at - by -").await;
    assert!(hall.said("pad")[1].contains("Zhiban test pad"));
    pad.order("unplug").await;
    hall.says("pad", 0, "down").await;
    hall.close().await;
}
