//! Waits for the broker's first answer, and asks for its topics.
//!
//! The library's calls block, so they run on threads of their own: neither a tokio worker nor the end of the
//! program waits for them.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use faststream_core::broker::BrokerError;
use faststream_core::log::{Time, reminded};
use rdkafka::metadata::Metadata;
use tokio::sync::oneshot;

use crate::advertised;
use crate::config::SettingOrigin;
use crate::producer::KafkaProducer;

/// How long one request may take; the answer of a large cluster is large.
const REQUEST: Duration = Duration::from_secs(10);

/// Resolves when a broker has answered, and one can be reached at the address that it advertises. Called once, at
/// startup.
///
/// `bootstrap` is the addresses that the clients begin with, `source` where they were set, for the log line. While
/// it waits, the producer's errors are collected and not logged, so there is one line with the last reason.
/// Dropping the future ends the thread after its current request.
///
/// # Errors
/// If no thread can be started. A broker that does not answer is no error.
pub(crate) async fn wait(
    producer: &Arc<KafkaProducer>,
    who: &str,
    bootstrap: &str,
    source: &SettingOrigin,
) -> Result<(), BrokerError> {
    let _quiet = producer.waiting();
    let elsewhere = Arc::new(Mutex::new(None));
    let answered = on_a_thread(who, {
        let (producer, elsewhere) = (Arc::clone(producer), Arc::clone(&elsewhere));
        let bootstrap = bootstrap.to_owned();
        move |is_wanted| {
            while is_wanted() {
                if let Ok(metadata) = producer.metadata(REQUEST) {
                    let Some(unreachable) = advertised::unreachable(&metadata, &bootstrap) else { return };
                    *elsewhere.lock().unwrap_or_else(PoisonError::into_inner) = Some(unreachable);
                }
                thread::sleep(Duration::from_millis(100));
            }
        }
    })?;
    let remind = || {
        let trouble = producer.trouble();
        let elsewhere = elsewhere.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let elsewhere = elsewhere.or_else(|| advertised::named_in(trouble.as_deref()?, bootstrap));
        let reason = trouble.unwrap_or_else(|| "no error so far".into());
        let what = elsewhere.unwrap_or_else(|| format!("does not answer, waiting for it: {reason}"));
        faststream_core::log::warn!("{who} ({source}) {what}");
    };
    // An error is that the thread ended, as it does after an answer.
    if let (_, Some(late)) = reminded(answered, remind).await {
        faststream_core::log::info!("{who} answers after {}", Time::about(late));
    }
    Ok(())
}

/// Returns the topics with their number of partitions.
///
/// # Errors
/// If no broker answers within 10 s; with the connection's last error, if there is one.
pub(crate) async fn topics(
    producer: &Arc<KafkaProducer>,
    who: &str,
) -> Result<Vec<(String, i32)>, BrokerError> {
    let asking = Arc::clone(producer);
    let answer = on_a_thread(who, move |_| asking.metadata(REQUEST).map(|metadata| partitions(&metadata)))?;
    let failed = |reason: String| BrokerError::new(format!("{who}: asking for the topics failed: {reason}"));
    match answer.await {
        Ok(Ok(topics)) => Ok(topics),
        Ok(Err(error)) => Err(failed(producer.trouble().unwrap_or_else(|| error.to_string()))),
        Err(_) => Err(failed("the thread that asked ended".into())),
    }
}

/// Returns the topics of a metadata answer.
fn partitions(metadata: &Metadata) -> Vec<(String, i32)> {
    let count = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
    metadata.topics().iter().map(|topic| (topic.name().to_owned(), count(topic.partitions().len()))).collect()
}

/// Runs `work` on a thread of its own. `work` gets a function that returns whether the receiver still waits, for
/// loops.
///
/// The receiver resolves with an error if `work` panics. The thread is detached: the end of the program does not
/// wait for it.
///
/// # Errors
/// If no thread can be started.
pub(crate) fn on_a_thread<T: Send + 'static>(
    who: &str,
    work: impl FnOnce(&dyn Fn() -> bool) -> T + Send + 'static,
) -> Result<oneshot::Receiver<T>, BrokerError> {
    let (answer, answered) = oneshot::channel();
    let run = move || {
        let result = work(&|| !answer.is_closed());
        // Nobody may be waiting any more.
        let _ = answer.send(result);
    };
    thread::Builder::new()
        .name("faststream-metadata".into())
        .spawn(run)
        .map_err(|error| BrokerError::new(format!("{who}: no thread could be started: {error}")))?;
    Ok(answered)
}
