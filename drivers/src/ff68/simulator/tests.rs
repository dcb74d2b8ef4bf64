//! Callers and driver on a pseudo terminal.

use super::*;
use crate::simulator::Port;
use crate::supervise::WiredDevice;
use crate::testing::{Hall, device};

fn callers(port: &Port<CallersSimulator>) -> WiredDevice {
    let mut settings = CallersSimulator::table();
    settings["link"] = json!({ "serial": port.path() });
    settings["counters"] = json!({ "1": "3", "2": "4" });
    let settings = toml::Table::try_from(settings).unwrap();
    device("callers", "ff68", &settings.to_string())
}

#[tokio::test]
async fn a_morning_at_two_counters_is_told_press_by_press() {
    let line = Port::pty(CallersSimulator::default()).unwrap();
    let hall = Hall::open(vec![callers(&line)]);
    for (address, press, said) in [
        (1, Press::Login { employee: "2001" }, "counter 3 open 2001"),
        (2, Press::Login { employee: "2002" }, "counter 4 open 2002"),
        (1, Press::Call { ticket: "A001" }, "called A001 3 by 2001"),
        (1, Press::Start { ticket: "A001" }, "started A001 3"),
        (1, Press::Finish { ticket: "A001" }, "finished A001"),
        (1, Press::Rate { score: 5 }, "rated 5 (1) at 3 by 2001"),
        (1, Press::Logout, "counter 3 closed -"),
    ] {
        line.press(address, &press).await;
        // Acknowledged is on disk: nothing here has to be waited for.
        let last = hall.said("callers").pop().unwrap();
        assert_eq!(last, said, "{press:?}");
    }
    assert_eq!(hall.status("callers").bad_frames, 0);
    hall.close().await;
}
