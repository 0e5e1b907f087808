//! Settling by hand: the handler hands the work on, and whoever finishes it settles the record.

use faststream::kafka::Kafka;
use faststream::{Ack, FastStream, State, subscriber};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

#[derive(Serialize, Deserialize)]
struct Row {
    id: u64,
}

struct Writer(UnboundedSender<(Row, Ack)>);

/// Hands a row to the writer. An `Ack` that is dropped, or a crash before it is settled: the row comes again.
#[subscriber(topic = "rows", ack = Manual)]
async fn store(row: Row, ack: Ack, State(writer): State<Writer>) -> anyhow::Result<()> {
    writer.0.send((row, ack)).map_err(|_| anyhow::anyhow!("the writer is gone"))
}

/// Writes rows a hundred at a time.
fn writer() -> Writer {
    let (sender, mut rows) = unbounded_channel::<(Row, Ack)>();
    tokio::spawn(async move {
        let mut batch = Vec::new();
        while rows.recv_many(&mut batch, 100).await > 0 {
            for (row, ack) in batch.drain(..) {
                // Here the whole batch would be written; a late `Ack` is no error, the row is handled elsewhere.
                let stale = ack.ack().is_err();
                tracing::info!(id = row.id, stale, "stored");
            }
        }
    });
    Writer(sender)
}

#[faststream::main]
async fn app() -> FastStream {
    FastStream::new(Kafka::from_env()).name("rows").state(writer())
}

#[cfg(test)]
mod tests {
    use super::*;
    use faststream::TestApp;
    use std::time::Duration;

    #[faststream::test]
    async fn rows_are_finished_by_the_writer() {
        let app = TestApp::start(app().await).await;
        for id in 0..250 {
            app.append("rows", &Row { id });
        }
        app.advance(Duration::from_secs(2)).await;
        assert_eq!(app.committed("rows", "rows").values().sum::<i64>(), 250);
    }
}
