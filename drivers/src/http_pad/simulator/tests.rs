//! The form our page posts, and what the driver makes of it.

use super::*;
use crate::testing::{Hall, device, hooked};

#[tokio::test]
async fn what_our_page_posts_is_a_rating() {
    let settings = "best = 1\nwindows = { 12 = '3' }\nonly = { Service = 'QueueCity.AddScore' }";
    let hall = Hall::open(vec![device("pad", "http-pad", settings)]);
    let answer = PadAnswer {
        button: 2,
        window: "12",
        ticket: "A001",
    };
    let page = async |hook: String| {
        let pad = PadSimulator::new(&hook).unwrap();
        pad.post(&answer).await.unwrap();
        let nonsense = PadAnswer { button: 9, ..answer.clone() };
        assert!(pad.post(&nonsense).await.is_err());
    };
    hooked(&hall, "pad", page).await;
    assert_eq!(hall.said("pad")[0], "rated 4 (2) at 3 by - for A001");
    assert_eq!(hall.status("pad").bad_frames, 1);
    hall.close().await;
}
