//! A program without a single subscriber, as one gets it by not linking the crate that has them.

use faststream::FastStream;
use faststream::memory::MemoryBroker;

#[test]
fn an_app_without_subscribers_is_refused_at_start_with_the_cure() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let app = FastStream::new(MemoryBroker::new()).name("empty");
    let exit = runtime.block_on(app.run_until(std::future::pending()));
    assert_eq!(exit.code, 1);
    let said = exit.sentences.join("\n");
    for part in ["no subscriber is registered", "#[subscriber(topic = \"...\")]", "use that_crate as _;"] {
        assert!(said.contains(part), "{part} is missing in: {said}");
    }
}
