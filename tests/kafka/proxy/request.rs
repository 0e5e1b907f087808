//! A request as far as the proxy reads it, and the answer that refuses it.

use super::Api;
use super::wire::{Reader, Writer};

/// The head of a request, with its groups.
pub(super) struct Request<'a> {
    pub(super) api: i16,
    version: i16,
    pub(super) correlation: i32,
    frame: &'a [u8],
}

impl<'a> Request<'a> {
    pub(super) fn new(frame: &'a [u8]) -> Self {
        let mut reader = Reader::new(frame);
        let (api, version, correlation) = (reader.i16(), reader.i16(), reader.i32());
        Self { api, version, correlation, frame }
    }

    pub(super) fn version(&self) -> i16 {
        self.version
    }

    /// Where the body begins.
    fn body(&self, api: Api) -> Reader<'a> {
        let mut reader = Reader::new(self.frame);
        reader.skip(8);
        // The client's id is never compact.
        reader.string();
        reader.flexible = self.version >= api.flexible();
        reader.tags();
        reader
    }

    /// Whether the request is of this group.
    pub(super) fn is_of(&self, api: Api, group: &str) -> bool {
        let mut body = self.body(api);
        if api == Api::OffsetFetch && self.version >= 8 {
            return self.fetched_groups().contains(&group.as_bytes());
        }
        body.string() == group.as_bytes()
    }

    fn fetched_groups(&self) -> Vec<&'a [u8]> {
        let mut body = self.body(Api::OffsetFetch);
        let mut groups = Vec::new();
        for _ in 0..body.array() {
            groups.push(body.string());
            if self.version >= 9 {
                body.string(); // member
                body.i32(); // its epoch
            }
            for _ in 0..body.array() {
                body.string();
                for _ in 0..body.array() {
                    body.i32();
                }
                body.tags();
            }
            body.tags();
        }
        groups
    }

    /// A well-formed answer with this code, as the broker itself would give it.
    pub(super) fn refusal(&self, api: Api, code: i16) -> Vec<u8> {
        let mut answer = Writer::new(self.version >= api.flexible());
        answer.i32(self.correlation);
        answer.tags();
        match api {
            Api::OffsetCommit => self.refuse_commit(&mut answer, code),
            Api::OffsetFetch => self.refuse_fetch(&mut answer, code),
            Api::Heartbeat => {
                self.throttle(&mut answer, 1);
                answer.i16(code);
            }
            Api::JoinGroup => self.refuse_join(&mut answer, code),
            Api::SyncGroup => self.refuse_sync(&mut answer, code),
            Api::ConsumerGroupHeartbeat => {
                self.throttle(&mut answer, 0);
                answer.i16(code);
                answer.string(b"refused by the test");
                answer.null_string(); // member
                answer.i32(0); // epoch
                answer.i32(1_000); // interval
                answer.i8(-1); // no assignment
            }
        }
        answer.tags();
        answer.bytes
    }

    fn throttle(&self, answer: &mut Writer, since: i16) {
        if self.version >= since {
            answer.i32(0);
        }
    }

    /// `OffsetCommitResponse`: the code for each partition of the request.
    fn refuse_commit(&self, answer: &mut Writer, code: i16) {
        let version = self.version;
        assert!((3..=9).contains(&version), "OffsetCommit version {version} is not known here");
        let mut request = self.body(Api::OffsetCommit);
        request.string(); // group
        request.i32(); // generation or member epoch
        request.string(); // member
        if version >= 7 {
            request.string(); // static instance
        }
        if version <= 4 {
            request.skip(8); // retention
        }
        self.throttle(answer, 3);
        let topics = request.array();
        answer.array(topics);
        for _ in 0..topics {
            answer.string(request.string());
            let partitions = request.array();
            answer.array(partitions);
            for _ in 0..partitions {
                answer.i32(request.i32());
                answer.i16(code);
                answer.tags();
                request.skip(if version >= 6 { 12 } else { 8 }); // offset, leader epoch
                request.string(); // metadata
                request.tags();
            }
            request.tags();
            answer.tags();
        }
    }

    /// `OffsetFetchResponse`: from version 8 on the code is the group's, before that the request's.
    fn refuse_fetch(&self, answer: &mut Writer, code: i16) {
        let version = self.version;
        assert!((2..=9).contains(&version), "OffsetFetch version {version} is not known here");
        self.throttle(answer, 3);
        if version < 8 {
            answer.array(0);
            answer.i16(code);
            return;
        }
        let groups = self.fetched_groups();
        answer.array(groups.len());
        for group in groups {
            answer.string(group);
            answer.array(0);
            answer.i16(code);
            answer.tags();
        }
    }

    fn refuse_join(&self, answer: &mut Writer, code: i16) {
        self.throttle(answer, 2);
        answer.i16(code);
        answer.i32(-1); // generation
        if self.version >= 7 {
            answer.null_string(); // protocol's type
            answer.null_string(); // protocol
        } else {
            answer.string(b"");
        }
        answer.string(b""); // leader
        if self.version >= 9 {
            answer.i8(0);
        }
        answer.string(b""); // member
        answer.array(0);
    }

    fn refuse_sync(&self, answer: &mut Writer, code: i16) {
        self.throttle(answer, 1);
        answer.i16(code);
        if self.version >= 5 {
            answer.null_string();
            answer.null_string();
        }
        answer.empty_bytes(); // assignment
    }

    /// A request that changes nothing, with the same correlation id: its answer takes the place of the refused one's.
    pub(super) fn harmless(&self) -> Vec<u8> {
        const API_VERSIONS: i16 = 18;
        let mut request = Writer::new(false);
        request.i16(API_VERSIONS);
        request.i16(0);
        request.i32(self.correlation);
        request.null_string();
        request.bytes
    }
}

/// Puts the code into the first partition's place of an `OffsetCommitResponse`.
pub(super) fn refuse_first_partition(mut answer: Vec<u8>, version: i16, code: i16) -> Vec<u8> {
    let mut reader = Reader::new(&answer);
    reader.i32(); // correlation
    reader.flexible = version >= Api::OffsetCommit.flexible();
    reader.tags();
    reader.i32(); // throttle
    if reader.array() > 0 {
        reader.string(); // topic
        if reader.array() > 0 {
            reader.i32(); // partition
            let at = reader.position();
            answer[at..at + 2].copy_from_slice(&code.to_be_bytes());
        }
    }
    answer
}
