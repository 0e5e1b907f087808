//! What cannot be handled goes to the dead letters, with its reason; everything else goes on.

use faststream::kafka::Kafka;
use faststream::{Decide, FastStream, subscriber};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Signup {
    email: String,
}

/// Welcomes a user: three attempts, then `signups-dlt`. An address without `@` is given up at once.
#[subscriber(topic = "signups", retry(attempts = 3, backoff = "200ms..1s"), on_error = DeadLetter)]
async fn welcome(signup: Signup) -> anyhow::Result<()> {
    signup.email.split_once('@').ok_or("an address has an @").or_reject()?;
    anyhow::ensure!(!signup.email.ends_with("@example.invalid"), "the mail server does not answer");
    tracing::info!(email = signup.email, "welcome");
    Ok(())
}

#[faststream::main]
async fn app() -> FastStream {
    FastStream::new(Kafka::from_env()).name("signups")
}

#[cfg(test)]
mod tests {
    use super::*;
    use faststream::TestApp;

    #[faststream::test]
    async fn only_what_is_bad_is_given_up() {
        let app = TestApp::start(app().await).await;
        for email in ["a@example.org", "nobody", "b@example.invalid", "c@example.org"] {
            app.publish("signups", &Signup { email: email.into() }).await;
        }
        let letters = app.dead_letters("signups");
        let told: Vec<_> = letters.iter().map(|letter| (letter.offset, letter.attempts)).collect();
        assert_eq!(told, [(1, 1), (2, 3)]);
        assert!(letters[0].error.contains("an address has an @"));
    }
}
