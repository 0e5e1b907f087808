//! What an app is refused for at start, all at once, each fault with its place and its cure.

use faststream::memory::MemoryBroker;
use faststream::{FastStream, State, subscriber};

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
    let exit = app.name("refused").run_until(std::future::ready(())).await;
    (exit.code, exit.sentences.join("\n"))
}

#[faststream::test]
async fn missing_states_and_variables_are_told_at_once_with_their_cures() {
    let (code, said) = start(FastStream::new(MemoryBroker::new())).await;
    assert_eq!(code, 1);
    for part in ["refused::bill", "Prices", "Stock", ".state(", "tests/refused.rs:", "NOBODY_SETS_THIS"] {
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
