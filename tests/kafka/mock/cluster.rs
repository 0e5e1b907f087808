//! librdkafka's mock cluster with the part of its C interface that the safe one lacks.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString};
use std::time::Duration;

use faststream::kafka::Protocol;
use faststream_kafka::rdkafka::ClientConfig;
use faststream_kafka::rdkafka::bindings as native;
use faststream_kafka::rdkafka::producer::{BaseProducer, Producer};
use faststream_kafka::rdkafka::types::RDKafkaRespErr;

use crate::members::Group;

const OK: RDKafkaRespErr = RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR;

/// `RDKafkaApiKey` does not know it.
pub(crate) const CONSUMER_GROUP_HEARTBEAT: i16 = 68;

/// A cluster of some brokers, numbered from 1.
pub(crate) struct Cluster {
    native: *mut native::rd_kafka_mock_cluster_t,
    brokers: i32,
    // Its client runs the cluster: destroyed after it.
    _client: BaseProducer,
}

// SAFETY: the functions of a mock cluster hand their work to its own thread, or lock it.
unsafe impl Send for Cluster {}
// SAFETY: as above.
unsafe impl Sync for Cluster {}

impl Cluster {
    pub(crate) fn new(brokers: i32) -> Self {
        let client: BaseProducer = ClientConfig::new().create().expect("a client");
        // SAFETY: the client lives as long as the cluster does.
        let cluster = unsafe { native::rd_kafka_mock_cluster_new(client.client().native_ptr(), brokers) };
        assert!(!cluster.is_null(), "no mock cluster");
        // SAFETY: the cluster is valid. Else its first rebalance of a classic group takes 3 s.
        unsafe { native::rd_kafka_mock_group_initial_rebalance_delay_ms(cluster, 0) };
        Self { native: cluster, brokers, _client: client }
    }

    pub(crate) fn address(&self) -> String {
        // SAFETY: the cluster is valid; the text ends with a null byte, lives as long as it, and is copied.
        let text = unsafe { CStr::from_ptr(native::rd_kafka_mock_cluster_bootstraps(self.native)) };
        text.to_str().expect("addresses").to_owned()
    }

    pub(crate) fn create_topic(&self, name: &str, partitions: i32) {
        let name = c_string(name);
        // SAFETY: the cluster is valid, the name is copied.
        let created = unsafe {
            native::rd_kafka_mock_topic_create(self.native, name.as_ptr(), partitions, self.brokers)
        };
        assert_eq!(created, OK);
    }

    /// A group of the KIP-848 kind, whose rebalances take no time here, with a topic of its name.
    pub(crate) fn group(&self, name: &str) -> Group {
        let group = Group::new(&self.address(), name, Protocol::Consumer, 4);
        self.create_topic(name, group.partitions);
        group
    }

    /// How long KIP-848 members may be silent.
    pub(crate) fn session(&self, time: Duration) {
        let milliseconds = i32::try_from(time.as_millis()).expect("short");
        // SAFETY: the cluster is valid.
        unsafe {
            native::rd_kafka_mock_set_group_consumer_session_timeout_ms(self.native, milliseconds);
            native::rd_kafka_mock_set_group_consumer_heartbeat_interval_ms(self.native, 500);
        }
    }

    /// The next requests of this kind are answered so, each once.
    pub(crate) fn refuse(&self, api: impl Into<i16>, error: RDKafkaRespErr, times: usize) {
        let errors = vec![error; times];
        // SAFETY: the cluster is valid; the array is as long as is said, and copied.
        unsafe {
            native::rd_kafka_mock_push_request_errors_array(
                self.native,
                api.into(),
                errors.len(),
                errors.as_ptr(),
            );
        }
    }

    /// No request of this kind is refused any more.
    pub(crate) fn relent(&self, api: impl Into<i16>) {
        // SAFETY: the cluster is valid.
        unsafe { native::rd_kafka_mock_clear_request_errors(self.native, api.into()) };
    }

    /// The next requests of this kind to this broker are answered late, each once.
    pub(crate) fn delay(&self, broker: i32, api: impl Into<i16>, delay: Duration, times: usize) {
        let (milliseconds, api) = (i32::try_from(delay.as_millis()).expect("short"), api.into());
        for _ in 0..times {
            // SAFETY: the cluster is valid; one pair of an error and a delay is given, as is said.
            let pushed = unsafe {
                native::rd_kafka_mock_broker_push_request_error_rtts(
                    self.native,
                    broker,
                    api,
                    1,
                    OK as i32,
                    milliseconds,
                )
            };
            assert_eq!(pushed, OK);
        }
    }

    /// How long each answer of every broker takes from now on.
    pub(crate) fn round_trip(&self, time: Duration) {
        let milliseconds = i32::try_from(time.as_millis()).expect("short");
        for broker in 1..=self.brokers {
            // SAFETY: the cluster is valid.
            let set = unsafe { native::rd_kafka_mock_broker_set_rtt(self.native, broker, milliseconds) };
            assert_eq!(set, OK);
        }
    }

    pub(crate) fn set_up(&self, broker: i32, up: bool) {
        // SAFETY: the cluster is valid.
        let set = unsafe {
            if up {
                native::rd_kafka_mock_broker_set_up(self.native, broker)
            } else {
                native::rd_kafka_mock_broker_set_down(self.native, broker)
            }
        };
        assert_eq!(set, OK);
    }

    /// Which broker leads a partition; none by -1.
    pub(crate) fn lead(&self, topic: &str, partition: i32, broker: i32) {
        let topic = c_string(topic);
        // SAFETY: the cluster is valid, the name is copied.
        let set = unsafe {
            native::rd_kafka_mock_partition_set_leader(self.native, topic.as_ptr(), partition, broker)
        };
        assert_eq!(set, OK);
    }

    /// Which broker coordinates a group.
    pub(crate) fn coordinate(&self, group: &str, broker: i32) {
        let (kind, group) = (c_string("group"), c_string(group));
        // SAFETY: the cluster is valid, the names are copied.
        let set = unsafe {
            native::rd_kafka_mock_coordinator_set(self.native, kind.as_ptr(), group.as_ptr(), broker)
        };
        assert_eq!(set, OK);
    }

    /// From now on requests are noted.
    pub(crate) fn track(&self) {
        // SAFETY: the cluster is valid.
        unsafe { native::rd_kafka_mock_start_request_tracking(self.native) };
    }

    /// How many requests of this kind were noted.
    pub(crate) fn tracked(&self, api: impl Into<i16>) -> usize {
        let (mut count, api) = (0_usize, api.into());
        // SAFETY: the cluster is valid; the array holds as many requests as is said, all of them valid until it is destroyed.
        unsafe {
            let all = native::rd_kafka_mock_get_requests(self.native, &raw mut count);
            let fits = |index| native::rd_kafka_mock_request_api_key(*all.add(index)) == api;
            let found = (0..count).filter(|index| fits(*index)).count();
            native::rd_kafka_mock_request_destroy_array(all, count);
            found
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // SAFETY: it was ours, and is not used afterwards; its client still lives.
        unsafe { native::rd_kafka_mock_cluster_destroy(self.native) };
    }
}

fn c_string(text: &str) -> CString {
    CString::new(text).expect("no null byte")
}
