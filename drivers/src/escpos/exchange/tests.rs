//! A printer behind a slow line: every answer takes its time, however many are under way.

use tokio::io::{DuplexStream, split};
use tokio::sync::mpsc;

use super::*;

const TIMEOUT: Duration = Duration::from_millis(150);
/// Each question has another answer, so that one taken for another is seen.
const ANSWERS: [u8; 4] = [0x1A, 0x16, 0x12, 0x1E];

/// A stray byte that comes with the answer of so many questions later.
#[derive(Clone, Copy)]
struct Stray {
    byte: u8,
    at: usize,
    after: Duration,
}

fn slow_printer(latency: Duration, stray: Option<Stray>) -> Printer {
    let (near, far) = tokio::io::duplex(4096);
    tokio::spawn(answer(far, latency, stray));
    Printer::new(Box::new(near), TIMEOUT)
}

async fn answer(wire: DuplexStream, latency: Duration, stray: Option<Stray>) {
    let (mut asked, mut answers) = split(wire);
    let (later, mut due) = mpsc::channel::<u8>(64);
    tokio::spawn(async move {
        while let Some(byte) = due.recv().await {
            let _ = answers.write_all(&[byte]).await;
        }
    });
    let say = move |byte, after| {
        let later = later.clone();
        tokio::spawn(async move {
            tokio::time::sleep(after).await;
            let _ = later.send(byte).await;
        });
    };
    let mut command = [0; 3];
    for at in 0.. {
        if asked.read_exact(&mut command).await.is_err() {
            return;
        }
        let question = usize::from(command[2]) - 1;
        say(ANSWERS[question], latency);
        if let Some(stray) = stray.filter(|stray| stray.at == at) {
            say(stray.byte, stray.after);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn however_late_answers_are_none_is_taken_for_another_questions() {
    let mut right = 0;
    for ms in (0..700).step_by(10) {
        let mut printer = slow_printer(Duration::from_millis(ms), None);
        for _ in 0..3 {
            if let Some(answers) = printer.poll().await.unwrap() {
                assert_eq!(answers, ANSWERS, "{ms} ms");
                right += 1;
            }
        }
    }
    assert!(right >= 45, "only {right} polls were answered");
}

#[tokio::test(start_paused = true)]
async fn a_stray_byte_is_never_believed_and_the_next_poll_is_right() {
    for byte in (0..=u8::MAX).filter(|byte| super::super::frame::is_status(*byte)) {
        for at in 0..8 {
            for after in [0, 5, 40, 70, 149] {
                let after = Duration::from_millis(after);
                let stray = Stray { byte, at, after };
                let mut printer = slow_printer(Duration::from_millis(50), Some(stray));
                let first = printer.poll().await.unwrap();
                assert!(first.is_none_or(|first| first == ANSWERS), "{byte:02X} at {at}");
                assert_eq!(printer.poll().await.unwrap(), Some(ANSWERS), "{byte:02X} at {at}");
            }
        }
    }
}
