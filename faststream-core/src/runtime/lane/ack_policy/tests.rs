use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::app::{FastStream, LaunchOptions};
use crate::delivery::Requirements;
use crate::memory::MemoryBroker;
use crate::policy::Retry;
use crate::subscriber::{Subscriber, SubscriberDef};

const ON_ERROR: [OnError; 4] = [OnError::Hold, OnError::DeadLetter, OnError::Skip, OnError::Stop];

/// A handler with the settings of `def`, as an app decides them.
fn handler(def: &SubscriberDef) -> Arc<Subscriber> {
    let app = FastStream::new(MemoryBroker::new()).name("app").retry(Retry::attempts(2));
    let plan =
        app.plan_of(vec![Box::leak(Box::new(*def))], LaunchOptions::default()).expect("nothing is wrong");
    Arc::clone(&plan.subscribers()[0])
}

fn with(ack: AckPolicy) -> SubscriberDef {
    let requires = if ack == AckPolicy::Manual { Requirements::ack } else { |_: &mut _| {} };
    SubscriberDef { ack: Some(ack), requires, ..SubscriberDef::fixture() }
}

fn failure() -> CallFailure {
    CallFailure { kind: "error", message: "why".into() }
}

/// What happens after the attempt of this number, in a word.
fn after(subscriber: &Subscriber, number: u32, ended: Ended) -> &'static str {
    let handler = &subscriber.handler;
    let ended = if handler.ack == AckPolicy::Manual { by_ack(None, ended) } else { Ok(ended) };
    let attempt = Attempt { number, has_retry_topic: subscriber.spec.next_retry_topic("t").is_some() };
    word(&ended.map_or_else(|next| next, |ended| decide(handler, attempt, ended, || 0.0)))
}

fn word(next: &Next) -> &'static str {
    match next {
        Next::Finish(Disposition::Acked) => "acked",
        Next::Finish(_) => "skipped on purpose",
        Next::FinishFailed(Disposition::Failed, _) => "finished",
        Next::FinishFailed(..) => "skipped",
        Next::FinishByAck(Disposition::Acked, _) => "acked by its ack",
        Next::FinishByAck(..) => "skipped by its ack",
        Next::Publish(_) => "published",
        Next::AwaitAck => "its ack is awaited",
        Next::Retry(..) => "retried",
        Next::RetryTopic(_) => "goes on in a retry topic",
        Next::DeadLetter(_, WhileHeld::Retry) => "dead letter",
        Next::DeadLetter(_, WhileHeld::Keep) => "dead letter, else kept",
        Next::Hold(_, WhileHeld::Retry) => "held",
        Next::Hold(_, WhileHeld::Keep) => "kept",
        Next::Stop(_) => "the app stops",
    }
}

/// What becomes of a record of `on_error = ...`, and of one that cannot be decoded.
fn given_up(on_error: OnError) -> [&'static str; 2] {
    match on_error {
        OnError::Hold => ["held", "kept"],
        OnError::DeadLetter => ["dead letter", "dead letter, else kept"],
        OnError::Skip => ["skipped"; 2],
        OnError::Stop => ["the app stops"; 2],
    }
}

/// The rows of the guide's table: policy, what a failure means, what a record means that cannot be decoded.
fn rows() -> Vec<[String; 3]> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../src/guide/guarantees.md");
    let page = std::fs::read_to_string(page).expect("the guide lies beside this crate");
    let rows = page.lines().skip_while(|line| !line.starts_with("| policy |")).skip(2);
    let rows = rows.take_while(|line| line.starts_with('|')).map(|line| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        [cells[1], cells[3], cells[4]].map(ToOwned::to_owned)
    });
    rows.collect()
}

/// Checks one cell of the table.
fn check(policy: AckPolicy, says: &str, ended: impl Fn() -> Ended, undecodable: bool) {
    let handler_of = |on_error: OnError, dead_letter| {
        handler(&SubscriberDef {
            on_error: Some(on_error).filter(|_| !undecodable),
            on_decode_error: Some(on_error).filter(|_| undecodable),
            dead_letter,
            ..with(policy)
        })
    };
    match says {
        "logged" | "finished" => assert_eq!(after(&handler(&with(policy)), 1, ended()), "finished"),
        "skipped" => assert!(["finished", "skipped"].contains(&after(&handler(&with(policy)), 1, ended()))),
        "dead letter if one is named, else skipped" => {
            assert_eq!(after(&handler(&with(policy)), 1, ended()), "skipped");
            let named = SubscriberDef { dead_letter: Some("dead"), ..with(policy) };
            assert!(after(&handler(&named), 1, ended()).starts_with("dead letter"));
        }
        "retried, then `on_error`" => {
            for on_error in ON_ERROR {
                let handler = handler_of(on_error, None);
                assert_eq!(after(&handler, 1, ended()), "retried");
                assert_eq!(after(&handler, 2, ended()), given_up(on_error)[0], "{on_error:?}");
            }
        }
        "`on_decode_error`" => {
            for on_error in ON_ERROR {
                let next = after(&handler_of(on_error, None), 1, ended());
                assert_eq!(next, given_up(on_error)[1], "{on_error:?}");
            }
        }
        "unsettled is a nack" => {
            let handler = handler(&with(policy));
            assert_eq!(after(&handler, 1, Ended::Decided(Verdict::Ack)), "its ack is awaited");
            for ended in [Ended::AckDropped, ended(), Ended::Decided(Verdict::nack())] {
                assert_eq!(after(&handler, 1, ended), "retried");
            }
        }
        other => panic!("{policy:?}: the guide says `{other}`, which no test knows"),
    }
}

#[test]
fn the_table_in_the_guide_is_what_the_policy_does() {
    let mut seen = BTreeSet::new();
    for [policy, failed, undecodable] in rows() {
        let name = policy.split('`').nth(1).expect("a policy's name").to_owned();
        let policy = match name.as_str() {
            "AckFirst" => AckPolicy::AckFirst,
            "Ack" => AckPolicy::Ack,
            "RejectOnError" => AckPolicy::RejectOnError,
            "NackOnError" => AckPolicy::NackOnError,
            "Manual" => AckPolicy::Manual,
            other => panic!("no policy `{other}`"),
        };
        seen.insert(name);
        check(policy, &failed, || Ended::Failed(failure()), false);
        let undecodable = if undecodable == "the same" { failed } else { undecodable };
        check(policy, &undecodable, || Ended::Undecodable(failure()), true);
    }
    assert_eq!(seen.len(), 5, "each policy has its row: {seen:?}");
}

#[test]
fn success_is_the_same_under_each_policy_but_manual() {
    for policy in [AckPolicy::AckFirst, AckPolicy::Ack, AckPolicy::RejectOnError, AckPolicy::NackOnError] {
        let handler = handler(&with(policy));
        assert_eq!(after(&handler, 1, Ended::Decided(Verdict::Ack)), "acked");
        assert_eq!(after(&handler, 1, Ended::Decided(Verdict::Skip)), "skipped on purpose");
        assert_eq!(after(&handler, 1, Ended::Decided(Verdict::Stop)), "the app stops");
        assert_eq!(after(&handler, 1, Ended::Results(Vec::new())), "published");
    }
}

#[test]
fn what_is_rejected_or_cannot_be_encoded_is_given_up_at_once() {
    let rejected = || [Ended::Decided(Verdict::reject("bad")), Ended::NotEncodable(failure())];
    for ended in rejected() {
        assert_eq!(after(&handler(&with(AckPolicy::NackOnError)), 1, ended), "held");
    }
    for policy in [AckPolicy::NackOnError, AckPolicy::RejectOnError, AckPolicy::Manual] {
        let named = handler(&SubscriberDef { dead_letter: Some("dead"), ..with(policy) });
        for ended in rejected() {
            assert_eq!(after(&named, 1, ended), "dead letter", "{policy:?}");
        }
    }
    for policy in [AckPolicy::AckFirst, AckPolicy::Ack] {
        for ended in rejected() {
            assert_eq!(after(&handler(&with(policy)), 1, ended), "finished", "{policy:?}");
        }
    }
}

#[test]
fn a_nack_may_choose_its_pause_and_counts_as_an_attempt() {
    let handler = handler(&with(AckPolicy::NackOnError));
    let attempt = |number| Attempt { number, has_retry_topic: false };
    let nack = |after| Ended::Decided(Verdict::Nack { after });
    let own = Duration::from_secs(7);
    let chosen = decide(&handler.handler, attempt(1), nack(Some(own)), || 0.0);
    assert!(matches!(chosen, Next::Retry(pause, _) if pause == own), "{chosen:?}");
    let policys = decide(&handler.handler, attempt(1), nack(None), || 1.0);
    assert!(matches!(policys, Next::Retry(pause, _) if pause == Duration::from_millis(750)), "{policys:?}");
    assert_eq!(word(&decide(&handler.handler, attempt(2), nack(Some(own)), || 0.0)), "held");
}

#[test]
fn retry_topics_come_after_the_attempts_in_place_and_before_on_error() {
    let handler = handler(&with(AckPolicy::NackOnError));
    let next = |number, has_retry_topic| {
        word(&decide(&handler.handler, Attempt { number, has_retry_topic }, Ended::Failed(failure()), || 0.0))
    };
    assert_eq!(
        [next(1, true), next(2, true), next(2, false)],
        ["retried", "goes on in a retry topic", "held"]
    );
    let rejected = Ended::Decided(Verdict::reject("bad"));
    let attempt = Attempt { number: 2, has_retry_topic: true };
    assert_eq!(
        word(&decide(&handler.handler, attempt, rejected, || 0.0)),
        "held",
        "no retry will make it right"
    );
}

/// How an `Ack` was settled, and what becomes of the record by how its call ended.
type Row = (Option<ManualSettlement>, [&'static str; 5]);

/// What a settled `Ack` makes of each end, under `ack = Manual` with attempts left.
#[test]
fn an_ack_that_was_settled_has_the_last_word_and_success_stays() {
    use ManualSettlement::{Dropped, Settled};
    let handler = handler(&with(AckPolicy::Manual));
    let next = |settled: Option<ManualSettlement>, ended| {
        let attempt = Attempt { number: 1, has_retry_topic: false };
        let ended = by_ack(settled.as_ref(), ended);
        word(&ended.map_or_else(|next| next, |ended| decide(&handler.handler, attempt, ended, || 0.0)))
    };
    // The call: returns, returns a reject, returns results, fails, cannot be decoded.
    let rows: [Row; 5] = [
        (None, ["its ack is awaited", "held", "published", "retried", "kept"]),
        (
            Some(Settled(Verdict::Ack)),
            ["acked", "acked", "published", "acked by its ack", "acked by its ack"],
        ),
        (
            Some(Settled(Verdict::Skip)),
            [
                "skipped on purpose",
                "skipped on purpose",
                "published",
                "skipped by its ack",
                "skipped by its ack",
            ],
        ),
        (Some(Settled(Verdict::nack())), ["retried", "retried", "retried", "retried", "kept"]),
        (Some(Dropped), ["retried", "held", "retried", "retried", "kept"]),
    ];
    for (settled, expected) in rows {
        let settled = || match &settled {
            Some(Settled(verdict)) => Some(Settled(verdict.clone())),
            Some(Dropped) => Some(Dropped),
            None => None,
        };
        let ends = [
            Ended::Decided(Verdict::Ack),
            Ended::Decided(Verdict::reject("bad")),
            Ended::Results(Vec::new()),
            Ended::Failed(failure()),
            Ended::Undecodable(failure()),
        ];
        let got = ends.map(|ended| next(settled(), ended));
        assert_eq!(got, expected, "{:?}", settled());
    }
}
