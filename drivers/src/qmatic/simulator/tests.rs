//! The events our Orchestra posts, and what the driver makes of them.

use super::*;
use crate::testing::{Hall, device, hooked};

#[tokio::test]
async fn a_visit_of_our_orchestra_is_told() {
    let hall = Hall::open(vec![device("queue", "qmatic", "branch = 1")]);
    let at = |second: i64| Timestamp::from_second(1_800_000_000 + second).unwrap();
    let posts = async |hook: String| {
        let orchestra = OrchestraSimulator::new(&hook, 1).unwrap();
        orchestra.session(3, Some("2001"), at(0)).await.unwrap();
        let create = VisitStep::Create {
            ticket: "C001",
            queue: "C",
        };
        let (counter, user) = (3, "2001");
        for (second, step) in [
            (1, create),
            (60, VisitStep::Call { counter, user }),
            (70, VisitStep::Confirm { counter, user }),
            (300, VisitStep::End { counter }),
        ] {
            orchestra.visit(7, at(second), &step).await.unwrap();
            // As when the answer was lost.
            orchestra.visit(7, at(second), &step).await.unwrap();
        }
        orchestra.session(3, None, at(400)).await.unwrap();
        // Of another branch: taken and left out.
        let elsewhere = OrchestraSimulator::new(&hook, 2).unwrap();
        elsewhere.session(9, Some("2009"), at(0)).await.unwrap();
    };
    hooked(&hall, "queue", posts).await;
    let mut said = hall.said("queue");
    said.retain(|said| said.contains(' '));
    let expected = [
        "counter 3 open 2001",
        "issued C001 C",
        "called C001 3 by 2001",
        "started C001 3",
        "finished C001",
        "counter 3 closed -",
    ];
    assert_eq!(said, expected);
    assert_eq!(hall.status("queue").bad_frames, 0);
    hall.close().await;
}
