//! Measurements, not promises: `cargo test -p zhiban-central measured -- --ignored --nocapture`.

use std::time::Instant;

use jiff::Span;
use jiff::civil::date;

use super::routed::Site;
use super::{TestHall, hall_quarter, profile, queue_quarter, slots};

const DAYS: i64 = 31;
const SLOTS: usize = 36;

fn halls() -> usize {
    let given = std::env::var("ZHIBAN_HALLS").ok();
    given.and_then(|text| text.parse().ok()).unwrap_or(200)
}

#[tokio::test]
#[ignore = "a measurement"]
async fn comparing_many_halls_over_a_month() {
    let site = Site::open("2020-01-31T18:00:00Z").await;
    let cookie = site.set_up().await;
    let started = Instant::now();
    let mut items_sent = 0;
    for number in 0..halls() {
        let hall = TestHall::new(&format!("hall-{number}"));
        let mut first = 1;
        for day in 0..DAYS {
            let day = (date(2020, 1, 1) + Span::new().days(day)).to_string();
            let mut items = vec![profile("Hall", "A")];
            for slot in slots(&day, SLOTS) {
                items.push(queue_quarter(&day, &slot, 1, 6));
                items.push(hall_quarter(&day, &slot));
            }
            first = hall.send(&site.intake, first, &items).await + 1;
            items_sent += items.len();
        }
    }
    let took = started.elapsed();
    let rate = items_sent as f64 / took.as_secs_f64();
    println!("intake: {items_sent} items in {took:.1?}, {rate:.0}/s, one batch at a time");
    let check = async |path: &str| {
        let mut times = Vec::new();
        for _ in 0..5 {
            let started = Instant::now();
            let body = site.get(path, &cookie).await;
            times.push(started.elapsed());
            assert_eq!(
                body["total"]["slots_received"],
                body["total"]["slots_expected"]
            );
        }
        times.sort();
        println!("{path}: median {:.1?}, slowest {:.1?}", times[2], times[4]);
    };
    check("/api/v1/compare?from=2020-01-01&to=2020-01-31").await;
    check("/api/v1/compare?from=2020-01-31&to=2020-01-31").await;
}
