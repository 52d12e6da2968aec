//! config.md, Linux Process: scheduler and ioPriority.

use crate::case::{Case, must, same};
use crate::container::since;
use serde_json::{Value, json};

pub fn cases() -> Vec<Case> {
    [scheduler(), io_priority()].into_iter().flatten().collect()
}

const SECTION: &str = "config.md Linux Process";

fn scheduler() -> Vec<Case> {
    // The numbers are those of sched(7) and <linux/sched.h>.
    let rows = [
        (
            "SCHED_OTHER with a nice value",
            json!({"policy": "SCHED_OTHER", "nice": 7}),
            json!({"policy": 0, "nice": 7}),
        ),
        ("nice is 0 if not set", json!({"policy": "SCHED_OTHER"}), json!({"policy": 0, "nice": 0})),
        ("SCHED_BATCH", json!({"policy": "SCHED_BATCH", "nice": 3}), json!({"policy": 3, "nice": 3})),
        ("SCHED_IDLE", json!({"policy": "SCHED_IDLE"}), json!({"policy": 5})),
        (
            "SCHED_FIFO with a priority",
            json!({"policy": "SCHED_FIFO", "priority": 11}),
            json!({"policy": 1, "priority": 11}),
        ),
        (
            "SCHED_RR with a priority",
            json!({"policy": "SCHED_RR", "priority": 12}),
            json!({"policy": 2, "priority": 12}),
        ),
        (
            "SCHED_DEADLINE with its times",
            json!({"policy": "SCHED_DEADLINE", "runtime": 1_000_000, "deadline": 50_000_000, "period": 100_000_000}),
            json!({"policy": 6, "runtime": 1_000_000, "deadline": 50_000_000, "period": 100_000_000}),
        ),
        (
            "SCHED_FLAG_RESET_ON_FORK",
            json!({"policy": "SCHED_OTHER", "flags": ["SCHED_FLAG_RESET_ON_FORK"]}),
            json!({"policy": 0, "flags": 1}),
        ),
    ];
    let row = |(title, scheduler, wanted): (&'static str, Value, Value)| {
        must(SECTION, format!("scheduler: {title}"), move |rt| {
            let patch = since("1.1.0", json!({"process": {"scheduler": scheduler}}));
            let seen = rt.ask(patch, &["scheduling"])?["scheduling"].clone();
            let differs = wanted.as_object().into_iter().flatten().find(|(key, value)| seen[*key] != **value);
            differs.map_or(Ok(()), |(key, value)| same(key, seen[key].clone(), value.clone()))
        })
    };
    let mut cases: Vec<Case> = rows.into_iter().map(row).collect();
    for (what, scheduler) in [
        ("a policy that does not exist", json!({"policy": "SCHED_TEST"})),
        ("a flag that does not exist", json!({"policy": "SCHED_OTHER", "flags": ["SCHED_FLAG_TEST"]})),
        ("no policy", json!({"nice": 1})),
        ("SCHED_FIFO with a priority out of range", json!({"policy": "SCHED_FIFO", "priority": 100})),
    ] {
        cases.push(must(SECTION, format!("scheduler: {what} is an error"), move |rt| {
            rt.refuses_to_run(what, since("1.1.0", json!({"process": {"scheduler": scheduler}})))
        }));
    }
    cases
}

fn io_priority() -> Vec<Case> {
    let mut cases = Vec::new();
    // ioprio_set(2): the class is in bits 13 to 15.
    for (class, number, priority) in
        [("IOPRIO_CLASS_RT", 1, 0), ("IOPRIO_CLASS_BE", 2, 5), ("IOPRIO_CLASS_IDLE", 3, 0)]
    {
        cases.push(must(SECTION, format!("ioPriority: {class}"), move |rt| {
            let patch =
                since("1.1.0", json!({"process": {"ioPriority": {"class": class, "priority": priority}}}));
            same("ioprio_get", rt.ask(patch, &["ioprio"])?["ioprio"].clone(), (number << 13) + priority)
        }));
    }
    for (what, value) in [
        ("a class that does not exist", json!({"class": "IOPRIO_CLASS_TEST", "priority": 1})),
        ("a priority above 7", json!({"class": "IOPRIO_CLASS_BE", "priority": 8})),
        ("no class", json!({"priority": 1})),
    ] {
        cases.push(must(SECTION, format!("ioPriority: {what} is an error"), move |rt| {
            rt.refuses_to_run(what, since("1.1.0", json!({"process": {"ioPriority": value}})))
        }));
    }
    cases
}
