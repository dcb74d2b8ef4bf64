//! What the feed does not have and a hall does: people behind the counters and answers on the
//! evaluation pads. All of it is invented, from a seed, and said to be so wherever a replay
//! reports about itself.

use rand::RngExt as _;
use rand::rngs::StdRng;
use zhiban_vocabulary::rating::Score;

const FAMILY: [&str; 12] = [
    "李", "王", "张", "刘", "陈", "杨", "赵", "黄", "周", "吴", "徐", "孙",
];
const GIVEN: [&str; 11] = [
    "娜", "伟", "芳", "敏", "静", "磊", "洋", "秀英", "丽", "强", "建国",
];

/// Share of served customers who touch the pad.
const RATED_SHARE: f64 = 0.15;
/// Chances of the scores 1 to 5, in hundredths.
const SCORES: [u32; 5] = [2, 3, 8, 27, 60];

/// An invented name; different for the first 132 numbers.
#[must_use]
pub fn staff_name(number: usize) -> String {
    format!(
        "{}{}",
        FAMILY[number % FAMILY.len()],
        GIVEN[number % GIVEN.len()]
    )
}

/// An invented answer, or none.
pub fn rating(rng: &mut StdRng) -> Option<Score> {
    if !rng.random_bool(RATED_SHARE) {
        return None;
    }
    let mut draw = rng.random_range(0..SCORES.iter().sum());
    for (score, chance) in (1..).zip(SCORES) {
        if draw < chance {
            return Score::new(score);
        }
        draw -= chance;
    }
    None
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use rand::SeedableRng as _;

    use super::*;

    #[test]
    fn names_differ() {
        let names: HashSet<String> = (0..132).map(staff_name).collect();
        assert_eq!(names.len(), 132);
    }

    #[test]
    fn one_customer_in_seven_answers_and_most_are_content() {
        let mut rng = StdRng::seed_from_u64(1);
        let scores: Vec<Score> = (0..10_000).filter_map(|_| rating(&mut rng)).collect();
        assert!((1_300..1_700).contains(&scores.len()), "{}", scores.len());
        let best = scores.iter().filter(|score| score.value() == 5).count();
        assert!(best * 2 > scores.len());
    }
}
