//! Our NovoSGA, read by our driver; by itself this proves no more than that both agree.

use super::*;
use crate::simulator::Port;
use crate::testing::{Hall, device};

#[tokio::test]
async fn a_ticket_of_our_novosga_is_told_when_the_hub_calls() {
    let at = |second: i64| Timestamp::from_second(1_800_000_000 + second).unwrap();
    let clock: Clock = Box::new(move || at(600));
    let sga = NovoSgaSimulator::new(clock, TimeZone::UTC, "H");
    let sga = Port::tcp(sga).await.unwrap();
    let url = format!("http://{}", sga.path());
    let settings = format!(
        "url = '{url}'\nmercure = '{url}/.well-known/mercure'\nunit = 1\nclient_id = 'hall'\n\
         client_secret = 'hush'\nusername = 'hall'\npassword = 'hush'\ntime_zone = 'UTC'\npoll_s = 60"
    );
    let hall = Hall::open(vec![device("queue", "novosga", &settings)]);
    hall.says("queue", 0, "up").await;
    let call = AttendanceStep::Call {
        place: 5,
        user: "2001",
    };
    for (second, step, said) in [
        (0, AttendanceStep::Issue, "issued H001 H"),
        (60, call, "called H001 5 by 2001"),
        (70, AttendanceStep::Start, "started H001 5"),
        (300, AttendanceStep::Finish, "finished H001"),
    ] {
        let change = sga.step("H001", at(second), &step);
        hall.says("queue", 0, said).await;
        sga.until_read(change).await;
    }
    let times = hall.reports().into_iter().filter_map(|report| report.time);
    assert_eq!(times.collect::<Vec<_>>(), [at(0), at(60), at(70), at(300)]);
    assert_eq!(hall.status("queue").bad_frames, 0);
    hall.close().await;
}
