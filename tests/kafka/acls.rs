//! Rights of a user at a broker with an authorizer, changed while it runs.
#![allow(unsafe_code)]

use std::ffi::CString;
use std::ptr;
use std::time::Duration;

use faststream_kafka::rdkafka::ClientConfig;
use faststream_kafka::rdkafka::bindings as native;
use faststream_kafka::rdkafka::producer::{BaseProducer, Producer};

pub(crate) use native::rd_kafka_AclOperation_t as Operation;
pub(crate) use native::rd_kafka_ResourceType_t as Resource;

use native::rd_kafka_AclPermissionType_t as Permission;
use native::rd_kafka_ResourcePatternType_t::RD_KAFKA_RESOURCE_PATTERN_LITERAL as LITERAL;

const TIMEOUT: Duration = Duration::from_secs(10);

/// A right to something of this name; `*` is every name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Right<'a>(pub(crate) Resource, pub(crate) &'a str, pub(crate) Operation);

/// An administrator who changes what `User:shop` may.
pub(crate) struct Acls(BaseProducer);

impl Acls {
    pub(crate) fn new(brokers: &str) -> Self {
        let config = ClientConfig::new().set("bootstrap.servers", brokers).create();
        Self(config.expect("a client"))
    }

    pub(crate) fn allow(&self, right: Right<'_>) {
        self.create(right, Permission::RD_KAFKA_ACL_PERMISSION_TYPE_ALLOW);
    }

    /// Takes a right away, whoever gives it.
    pub(crate) fn deny(&self, right: Right<'_>) {
        self.create(right, Permission::RD_KAFKA_ACL_PERMISSION_TYPE_DENY);
    }

    fn create(&self, right: Right<'_>, permission: Permission) {
        self.ask(|client, queue| {
            let mut binding = acl(native::rd_kafka_AclBinding_new, right, permission);
            // SAFETY: client, queue and binding are valid; the binding is copied.
            unsafe {
                native::rd_kafka_CreateAcls(client, &raw mut binding, 1, ptr::null(), queue);
                native::rd_kafka_AclBinding_destroy(binding);
            }
        });
    }

    /// Gives back what was taken away.
    pub(crate) fn relent(&self, right: Right<'_>) {
        self.ask(|client, queue| {
            let permission = Permission::RD_KAFKA_ACL_PERMISSION_TYPE_DENY;
            let mut filter = acl(native::rd_kafka_AclBindingFilter_new, right, permission);
            // SAFETY: client, queue and filter are valid; the filter is copied.
            unsafe {
                native::rd_kafka_DeleteAcls(client, &raw mut filter, 1, ptr::null(), queue);
                native::rd_kafka_AclBinding_destroy(filter);
            }
        });
    }

    /// Waits for the answer, which has to be good.
    fn ask(&self, ask: impl FnOnce(*mut native::rd_kafka_t, *mut native::rd_kafka_queue_t)) {
        let client = self.0.client().native_ptr();
        let timeout = i32::try_from(TIMEOUT.as_millis()).expect("short");
        // SAFETY: the client is valid; queue and event are ours, and destroyed once.
        unsafe {
            let queue = native::rd_kafka_queue_new(client);
            ask(client, queue);
            let event = native::rd_kafka_queue_poll(queue, timeout);
            assert!(!event.is_null(), "no answer within {TIMEOUT:?}");
            let error = native::rd_kafka_event_error(event);
            native::rd_kafka_event_destroy(event);
            native::rd_kafka_queue_destroy(queue);
            assert_eq!(error, native::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR);
        }
    }
}

/// Both constructors take the same.
type New = unsafe extern "C" fn(
    Resource,
    *const std::ffi::c_char,
    native::rd_kafka_ResourcePatternType_t,
    *const std::ffi::c_char,
    *const std::ffi::c_char,
    Operation,
    Permission,
    *mut std::ffi::c_char,
    usize,
) -> *mut native::rd_kafka_AclBinding_t;

fn acl(
    new: New,
    Right(resource, name, operation): Right<'_>,
    permission: Permission,
) -> *mut native::rd_kafka_AclBinding_t {
    let (name, user, host) = (c_string(name), c_string("User:shop"), c_string("*"));
    let mut error = [0; 256];
    // SAFETY: the texts end with a null byte and are copied; the buffer is as long as is said.
    let acl = unsafe {
        let (name, user, host) = (name.as_ptr(), user.as_ptr(), host.as_ptr());
        new(resource, name, LITERAL, user, host, operation, permission, error.as_mut_ptr(), error.len())
    };
    assert!(!acl.is_null(), "no such right");
    acl
}

fn c_string(text: &str) -> CString {
    CString::new(text).expect("no null byte")
}
