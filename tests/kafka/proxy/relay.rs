//! One connection: requests one way, answers the other.
//!
//! A refused request never reaches the broker. In its place goes a harmless one with the same correlation id, whose
//! answer is exchanged for the refusal: so answers keep their order.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::request::refuse_first_partition;
use super::rule::Fault;
use super::{Request, Shared};

/// What is done to the answers of requests that were hurt, by correlation id.
type Hurt = Arc<Mutex<HashMap<i32, Answer>>>;

enum Answer {
    Exchanged(Vec<u8>),
    Rewritten { version: i16, code: i16 },
    Delayed(Duration),
}

pub(super) fn join(shared: &Arc<Shared>, client: TcpStream, broker: TcpStream) -> io::Result<()> {
    client.set_nodelay(true)?;
    broker.set_nodelay(true)?;
    shared.remember([client.try_clone()?, broker.try_clone()?]);
    let hurt = Hurt::default();
    let (client_in, broker_out) = (client.try_clone()?, broker.try_clone()?);
    let (rules, known) = (Arc::clone(shared), Arc::clone(&hurt));
    thread::spawn(move || {
        let _ = pass_requests(&rules, &known, &client_in, &broker_out);
        let _ = broker_out.shutdown(Shutdown::Both);
        let _ = client_in.shutdown(Shutdown::Both);
    });
    thread::spawn(move || {
        let _ = pass_answers(&hurt, &broker, &client);
        let _ = client.shutdown(Shutdown::Both);
        let _ = broker.shutdown(Shutdown::Both);
    });
    Ok(())
}

fn pass_requests(shared: &Shared, hurt: &Hurt, from: &TcpStream, to: &TcpStream) -> io::Result<()> {
    loop {
        let frame = read_frame(from)?;
        let request = Request::new(&frame);
        let answer = match shared.hurt(&request) {
            None => {
                write_frame(to, &frame)?;
                continue;
            }
            Some((_, Fault::Cut)) => return Ok(()),
            Some((api, Fault::Refuse(code))) => Answer::Exchanged(request.refusal(api, code)),
            Some((_, Fault::RefuseOne(code))) => Answer::Rewritten { version: request.version(), code },
            Some((_, Fault::Delay(time))) => Answer::Delayed(time),
            Some((_, Fault::Swallow)) => continue,
        };
        let is_refused = matches!(answer, Answer::Exchanged(_));
        // Before the broker can answer.
        hurt.lock().expect("not poisoned").insert(request.correlation, answer);
        write_frame(to, &if is_refused { request.harmless() } else { frame })?;
    }
}

fn pass_answers(hurt: &Hurt, from: &TcpStream, to: &TcpStream) -> io::Result<()> {
    loop {
        let frame = read_frame(from)?;
        let correlation = i32::from_be_bytes(frame[..4].try_into().expect("four bytes"));
        let answer = hurt.lock().expect("not poisoned").remove(&correlation);
        match answer {
            None => write_frame(to, &frame)?,
            Some(Answer::Exchanged(refusal)) => write_frame(to, &refusal)?,
            Some(Answer::Rewritten { version, code }) => {
                write_frame(to, &refuse_first_partition(frame, version, code))?;
            }
            Some(Answer::Delayed(time)) => {
                thread::sleep(time);
                write_frame(to, &frame)?;
            }
        }
    }
}

fn read_frame(mut from: &TcpStream) -> io::Result<Vec<u8>> {
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

fn write_frame(mut to: &TcpStream, frame: &[u8]) -> io::Result<()> {
    let size = u32::try_from(frame.len()).map_err(|_| io::ErrorKind::InvalidData)?;
    let mut bytes = size.to_be_bytes().to_vec();
    bytes.extend_from_slice(frame);
    to.write_all(&bytes)
}
