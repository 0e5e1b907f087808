//! A fault proxy before a broker: it understands enough of Kafka's protocol to refuse, delay, swallow and cut.

mod relay;
mod request;
mod rule;
mod wire;

use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;

use self::request::Request;
pub(crate) use self::rule::{Active, Fault, Rule};

/// The requests that can be hurt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Api {
    OffsetCommit = 8,
    OffsetFetch = 9,
    JoinGroup = 11,
    Heartbeat = 12,
    SyncGroup = 14,
    ConsumerGroupHeartbeat = 68,
}

impl Api {
    /// The version from which on strings are compact and fields are tagged.
    fn flexible(self) -> i16 {
        match self {
            Self::OffsetCommit => 8,
            Self::OffsetFetch | Self::JoinGroup => 6,
            Self::Heartbeat | Self::SyncGroup => 4,
            Self::ConsumerGroupHeartbeat => 0,
        }
    }
}

/// Stops listening and cuts its connections when dropped.
pub(crate) struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    rules: Mutex<Vec<Active>>,
    stopped: AtomicBool,
    connections: Mutex<Vec<TcpStream>>,
}

impl Proxy {
    /// A listener, to be known before the broker starts: it has to advertise this port.
    pub(crate) fn listen() -> io::Result<(TcpListener, u16)> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        Ok((listener, port))
    }

    /// Begins to pass connections on to the broker's own port.
    pub(crate) fn start(listener: TcpListener, broker: u16) -> io::Result<Self> {
        let (address, shared) = (listener.local_addr()?, Arc::new(Shared::default()));
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming() {
                if accepting.stopped.load(SeqCst) {
                    return;
                }
                let Ok(client) = client else { continue };
                // A broker that does not answer looks to the client like one that is away.
                if let Ok(broker) = TcpStream::connect((Ipv4Addr::LOCALHOST, broker)) {
                    let _ = relay::join(&accepting, client, broker);
                }
            }
        });
        Ok(Self { address, shared })
    }

    /// What clients connect to.
    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    /// Hurts requests from now on.
    pub(crate) fn hurt(&self, rule: Rule) -> Active {
        let active = Active::new(rule);
        let mut rules = self.shared.rules.lock().expect("not poisoned");
        rules.retain(|rule| !rule.is_over());
        rules.push(active.clone());
        active
    }

    /// Cuts all connections; new ones are accepted.
    pub(crate) fn cut(&self) {
        self.shared.cut();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.stopped.store(true, SeqCst);
        // Wakes the accepting thread.
        let _ = TcpStream::connect(self.address);
        self.shared.cut();
    }
}

impl Shared {
    fn hurt(&self, request: &Request<'_>) -> Option<(Api, Fault)> {
        self.rules.lock().expect("not poisoned").iter().find_map(|rule| rule.hurt(request))
    }

    fn remember(&self, connection: [TcpStream; 2]) {
        let mut connections = self.connections.lock().expect("not poisoned");
        // Those whose other end is gone.
        connections.retain(|connection| connection.peer_addr().is_ok());
        connections.extend(connection);
    }

    fn cut(&self) {
        for connection in self.connections.lock().expect("not poisoned").drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }
}
