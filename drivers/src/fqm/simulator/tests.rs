//! Our FQM, read by our driver; by itself this proves no more than that both agree.

use super::*;
use crate::simulator::Port;
use crate::testing::{Hall, device};

#[tokio::test]
async fn tickets_of_our_fqm_are_told_once_and_read_means_on_disk() {
    let at = |second: i64| Timestamp::from_second(1_800_000_000 + second).unwrap();
    let clock: Clock = Box::new(move || at(600));
    let fqm = Port::tcp(FqmSimulator::new(clock, "hush", &["M"])).await.unwrap();
    let url = format!("http://{}", fqm.path());
    let settings =
        format!("url = '{url}'\ntoken = 'hush'\npoll_s = 0.5\ntime_zone = 'UTC'\ncounters = {{ 4 = '9' }}");
    let hall = Hall::open(vec![device("queue", "fqm", &settings)]);
    let mut last = 0;
    // More than one list holds.
    for number in 101..=132 {
        last = fqm.issue(number, 1, at(0));
    }
    fqm.until_read(last).await;
    let tickets = || {
        let said = hall.said("queue").into_iter();
        said.filter(|said| said.contains("ed 1")).collect::<Vec<_>>()
    };
    assert_eq!(tickets().len(), 32);
    assert_eq!(tickets()[31], "issued 132 M");
    fqm.until_read(fqm.pull(102, 4, at(60))).await;
    assert_eq!(tickets()[32..], ["called 102 9"]);
    assert_eq!(hall.status("queue").bad_frames, 0);
    hall.close().await;
}
