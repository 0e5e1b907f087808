//! A fault proxy before a broker: it understands enough of Kafka's protocol to refuse commits.
//!
//! A refused request never reaches the broker. In its place goes a harmless one with the same correlation id, whose
//! answer is exchanged for the refusal: so answers keep their order.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;

const OFFSET_COMMIT: i16 = 8;
const API_VERSIONS: i16 = 18;
/// From this version on, `OffsetCommit` has compact strings and tagged fields.
const FLEXIBLE: i16 = 8;
/// `REBALANCE_IN_PROGRESS`.
pub(crate) const REBALANCE_IN_PROGRESS: i16 = 27;

/// Stops listening and cuts its connections when dropped.
pub(crate) struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// The code that every commit is refused with.
    refuse: Mutex<Option<i16>>,
    refused: Mutex<usize>,
    stopped: AtomicBool,
    connections: Mutex<Vec<TcpStream>>,
}

/// Requests that were exchanged: by correlation id, the answer that goes to the client.
type Exchanged = Arc<Mutex<HashMap<i32, Vec<u8>>>>;

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
                    let _ = join(&accepting, client, broker);
                }
            }
        });
        Ok(Self { address, shared })
    }

    /// Refuses every commit with this code from now on; `None` lets them pass again.
    pub(crate) fn refuse_commits(&self, code: Option<i16>) {
        *self.shared.refuse.lock().expect("not poisoned") = code;
    }

    /// How many commit requests were refused.
    pub(crate) fn refused(&self) -> usize {
        *self.shared.refused.lock().expect("not poisoned")
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.stopped.store(true, SeqCst);
        // Wakes the accepting thread.
        let _ = TcpStream::connect(self.address);
        for connection in self.shared.connections.lock().expect("not poisoned").drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }
}

fn join(shared: &Arc<Shared>, client: TcpStream, broker: TcpStream) -> io::Result<()> {
    client.set_nodelay(true)?;
    broker.set_nodelay(true)?;
    let mut connections = shared.connections.lock().expect("not poisoned");
    connections.extend([client.try_clone()?, broker.try_clone()?]);
    drop(connections);
    let exchanged = Exchanged::default();
    let (mut client_in, mut broker_out, known, rules) =
        (client.try_clone()?, broker.try_clone()?, Arc::clone(&exchanged), Arc::clone(shared));
    thread::spawn(move || {
        while let Ok(frame) = read_frame(&mut client_in) {
            let frame = exchange(&rules, &known, frame);
            if write_frame(&mut broker_out, &frame).is_err() {
                break;
            }
        }
        let _ = broker_out.shutdown(Shutdown::Both);
    });
    let (mut broker_in, mut client_out) = (broker, client);
    thread::spawn(move || {
        while let Ok(frame) = read_frame(&mut broker_in) {
            let correlation = i32::from_be_bytes(frame[..4].try_into().expect("four bytes"));
            let refusal = exchanged.lock().expect("not poisoned").remove(&correlation);
            if write_frame(&mut client_out, refusal.as_ref().unwrap_or(&frame)).is_err() {
                break;
            }
        }
        let _ = client_out.shutdown(Shutdown::Both);
    });
    Ok(())
}

fn read_frame(from: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut size = [0; 4];
    from.read_exact(&mut size)?;
    let size = u32::from_be_bytes(size);
    if !(4..=256 << 20).contains(&size) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut frame = vec![0; size as usize];
    from.read_exact(&mut frame)?;
    Ok(frame)
}

fn write_frame(to: &mut TcpStream, frame: &[u8]) -> io::Result<()> {
    let size = u32::try_from(frame.len()).map_err(|_| io::ErrorKind::InvalidData)?;
    let mut bytes = size.to_be_bytes().to_vec();
    bytes.extend_from_slice(frame);
    to.write_all(&bytes)
}

/// The request that goes to the broker.
fn exchange(shared: &Shared, exchanged: &Exchanged, frame: Vec<u8>) -> Vec<u8> {
    let Some(code) = *shared.refuse.lock().expect("not poisoned") else { return frame };
    let mut request = Reader { bytes: &frame, at: 0, flexible: false };
    let (api, version, correlation) = (request.i16(), request.i16(), request.i32());
    if api != OFFSET_COMMIT {
        return frame;
    }
    *shared.refused.lock().expect("not poisoned") += 1;
    let answer = refusal(request, version, correlation, code);
    exchanged.lock().expect("not poisoned").insert(correlation, answer);
    let mut harmless = Vec::new();
    harmless.extend(API_VERSIONS.to_be_bytes());
    harmless.extend(0_i16.to_be_bytes());
    harmless.extend(correlation.to_be_bytes());
    harmless.extend((-1_i16).to_be_bytes());
    harmless
}

/// `OffsetCommitResponse` with the code for each partition of the request (versions 3 to 9).
fn refusal(mut request: Reader<'_>, version: i16, correlation: i32, code: i16) -> Vec<u8> {
    assert!((3..=9).contains(&version), "OffsetCommit version {version} is not known here");
    request.string(); // client id, never compact
    request.flexible = version >= FLEXIBLE;
    request.tags();
    request.string(); // group
    request.i32(); // generation or member epoch
    request.string(); // member
    if version >= 7 {
        request.string(); // static instance
    }
    if version <= 4 {
        request.skip(8); // retention
    }
    let mut answer = Writer { bytes: correlation.to_be_bytes().to_vec(), flexible: request.flexible };
    answer.tags();
    answer.bytes.extend(0_i32.to_be_bytes()); // throttle
    let topics = request.array();
    answer.array(topics);
    for _ in 0..topics {
        answer.string(request.string());
        let partitions = request.array();
        answer.array(partitions);
        for _ in 0..partitions {
            answer.bytes.extend(request.i32().to_be_bytes());
            answer.bytes.extend(code.to_be_bytes());
            answer.tags();
            request.skip(if version >= 6 { 12 } else { 8 }); // offset, leader epoch
            request.string(); // metadata
            request.tags();
        }
        request.tags();
        answer.tags();
    }
    answer.tags();
    answer.bytes
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    flexible: bool,
}

impl<'a> Reader<'a> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        self.at += N;
        self.bytes[self.at - N..self.at].try_into().expect("N bytes")
    }

    fn i16(&mut self) -> i16 {
        i16::from_be_bytes(self.take())
    }

    fn i32(&mut self) -> i32 {
        i32::from_be_bytes(self.take())
    }

    fn skip(&mut self, bytes: usize) {
        self.at += bytes;
    }

    fn varint(&mut self) -> usize {
        let mut value = 0;
        for shift in (0..).step_by(7) {
            let [byte] = self.take();
            value |= usize::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        value
    }

    fn array(&mut self) -> usize {
        if self.flexible { self.varint() - 1 } else { usize::try_from(self.i32()).unwrap_or(0) }
    }

    fn string(&mut self) -> &'a [u8] {
        let size = if self.flexible {
            self.varint().saturating_sub(1)
        } else {
            usize::try_from(self.i16()).unwrap_or(0)
        };
        self.skip(size);
        &self.bytes[self.at - size..self.at]
    }

    fn tags(&mut self) {
        if self.flexible {
            for _ in 0..self.varint() {
                self.varint();
                let size = self.varint();
                self.skip(size);
            }
        }
    }
}

struct Writer {
    bytes: Vec<u8>,
    flexible: bool,
}

impl Writer {
    fn varint(&mut self, mut value: usize) {
        while value > 0x7f {
            self.bytes.push(u8::try_from(value & 0x7f).expect("seven bits") | 0x80);
            value >>= 7;
        }
        self.bytes.push(u8::try_from(value).expect("seven bits"));
    }

    fn array(&mut self, len: usize) {
        if self.flexible {
            self.varint(len + 1);
        } else {
            self.bytes.extend(i32::try_from(len).expect("small").to_be_bytes());
        }
    }

    fn string(&mut self, text: &[u8]) {
        if self.flexible {
            self.varint(text.len() + 1);
        } else {
            self.bytes.extend(i16::try_from(text.len()).expect("short").to_be_bytes());
        }
        self.bytes.extend(text);
    }

    fn tags(&mut self) {
        if self.flexible {
            self.bytes.push(0);
        }
    }
}
