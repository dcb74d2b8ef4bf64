//! Places where a test ends the program as a power cut would, to see what the next start makes of
//! it. They exist in debug builds only; what is shipped has none of them.

/// Ends the program here, without a word, the nth time it comes by, when `ZHIBAN_CRASH_AT` is
/// `name:n`. The names are found by `tests/tests/killed_at_every_step.rs`, which tries each.
#[macro_export]
macro_rules! crash_point {
    ($name:literal) => {
        #[cfg(debug_assertions)]
        $crate::crash::pass($name);
    };
}

#[cfg(debug_assertions)]
struct Plan {
    name: String,
    left: std::sync::atomic::AtomicU64,
}

/// Of [`crash_point!`].
#[cfg(debug_assertions)]
#[doc(hidden)]
pub fn pass(name: &str) {
    use std::sync::LazyLock;
    use std::sync::atomic::Ordering;

    static PLAN: LazyLock<Option<Plan>> =
        LazyLock::new(|| read(&std::env::var("ZHIBAN_CRASH_AT").ok()?));
    let Some(plan) = PLAN.as_ref().filter(|plan| plan.name == name) else {
        return;
    };
    if plan.left.fetch_sub(1, Ordering::Relaxed) == 1 {
        std::process::abort();
    }
}

#[cfg(debug_assertions)]
fn read(text: &str) -> Option<Plan> {
    let (name, times) = text.rsplit_once(':')?;
    Some(Plan {
        name: name.to_owned(),
        left: times.parse::<u64>().ok()?.into(),
    })
}

#[cfg(all(test, debug_assertions))]
mod tests {
    #[test]
    fn a_plan_names_a_step_and_how_often_it_is_passed() {
        let plan = super::read("store: committed:3").unwrap();
        assert_eq!(
            (plan.name.as_str(), plan.left.into_inner()),
            ("store: committed", 3)
        );
        assert!(super::read("store: committed").is_none());
    }
}
