//! What an app is refused for at start, all at once, each fault with its place and its cure.

use faststream::memory::MemoryBroker;
use faststream::{FastStream, GroupSettings, State, subscriber};

struct Prices;
struct Stock;
struct Missing;

#[subscriber(topic = "orders")]
async fn bill(_order: u64, State(_prices): State<Prices>, State(_stock): State<Stock>) {}

#[subscriber(topic = "parcels", group = "${NOBODY_SETS_THIS}")]
async fn send(_parcel: u64, State(_stock): State<Stock>) {}

#[subscriber(topic = "${NOR_THIS}", broker = "other", timeout = "${OR_THIS:1x}", group = "worst")]
async fn worst(_order: u64, State(_missing): State<Missing>) {}

async fn start(app: FastStream) -> (u8, String) {
    let exit = app.name("refused").module(module_path!()).run_until(std::future::ready(())).await;
    (exit.code, exit.messages.join("\n"))
}

#[faststream::test]
async fn missing_states_and_variables_are_told_at_once_with_their_cures() {
    let (code, said) = start(FastStream::new(MemoryBroker::new())).await;
    assert_eq!(code, 1);
    for part in
        ["refused::bill", "Prices", "Stock", ".state(", "tests/lifecycle/refused.rs:", "NOBODY_SETS_THIS"]
    {
        assert!(said.contains(part), "{part} is missing in: {said}");
    }
    println!("{said}");
}

#[faststream::test]
async fn all_that_is_wrong_with_one_handler_is_told_at_once() {
    let (_, said) = start(FastStream::new(MemoryBroker::new())).await;
    for part in ["NOR_THIS", "no broker named `other`", "`1x` is not a duration", "Missing", "refused::worst"]
    {
        assert!(said.contains(part), "{part} is missing in: {said}");
    }
}

#[faststream::test]
async fn a_state_that_is_given_is_not_missed() {
    let (code, said) = start(FastStream::new(MemoryBroker::new()).state(Prices)).await;
    assert!(code == 1 && !said.contains("Prices") && said.contains("Stock"), "{said}");
}

#[faststream::test]
async fn settings_that_would_stand_still_are_refused() {
    let day = std::time::Duration::from_secs(24 * 3600);
    for (settings, part) in [
        (GroupSettings::new().max_in_flight(0), "`max_in_flight` is 0"),
        (GroupSettings::new().max_unconfirmed(0), "`max_unconfirmed` is 0"),
        (GroupSettings::new().commit_interval(std::time::Duration::ZERO), "`commit_interval` is 0ns"),
        (GroupSettings::new().commit_interval(day * 2), "`commit_interval` is 172800s"),
        (GroupSettings::new().drain(std::time::Duration::MAX), "`drain` is longer than 24 h"),
    ] {
        let app = FastStream::new(MemoryBroker::new()).state(Prices).state(Stock).group_settings(settings);
        let (code, said) = start(app).await;
        assert!(code == 1 && said.contains(part), "{part} is missing in: {said}");
    }
}
