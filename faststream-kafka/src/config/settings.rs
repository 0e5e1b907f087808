//! The properties that were set: their values, who set them, and which client gets them.
//!
//! A plain map with the rules of precedence and of the prefixes `consumer.` and `producer.`. It judges no value.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use super::SettingOrigin;
use super::java::cure;
use super::names::{canonical, is_for_consumers, is_for_producers, is_known, is_name};
use super::secrets::{STARS, Secrets, shown};

/// One property that was set.
#[derive(Clone)]
pub(crate) struct Property {
    /// The value as it was given. It may be a secret: print [`shown`](Self::shown) instead.
    pub(crate) value: String,
    /// Who set it.
    pub(crate) source: SettingOrigin,
    /// Whether it follows from another setting of the same source, and is dropped with it: the assignor of a
    /// protocol.
    pub(super) implied: bool,
}

/// The properties that were set, by prefix and canonical name: `linger.ms`, `producer.client.id`.
///
/// A name may begin with `consumer.` or `producer.`: only that client gets it then. Each key has one value, that
/// of the strongest source, so an overridden value is gone and cannot appear in a fault. Its `Debug` shows
/// harmless values only.
#[derive(Clone, Default)]
pub(crate) struct Properties(BTreeMap<String, Property>);

/// Which client a setting is for. Its `Display` is the word in faults: `consumer`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClientKind {
    /// Members of groups, and clients that ask about a group.
    Consumer,
    /// The producer, and admin clients.
    Producer,
}

impl ClientKind {
    /// Returns the prefix of a property that only this client gets.
    fn prefix(self) -> &'static str {
        match self {
            Self::Consumer => "consumer.",
            Self::Producer => "producer.",
        }
    }
}

impl Properties {
    /// Sets a property, unless a source of a higher rank has set it.
    pub(super) fn set(&mut self, key: &str, value: impl Into<String>, source: SettingOrigin) {
        self.insert(key, Property { value: value.into(), source, implied: false });
    }

    /// Sets a property that follows from another one, with the same precedence.
    pub(super) fn imply(&mut self, key: &str, value: impl Into<String>, source: SettingOrigin) {
        self.insert(key, Property { value: value.into(), source, implied: true });
    }

    /// Stores the property under its canonical name, so that an alias and the name are one setting. The last call
    /// of equal rank wins.
    fn insert(&mut self, key: &str, setting: Property) {
        let (prefix, name) = split(key.trim());
        let key = format!("{prefix}{}", canonical(name));
        let kept = self.0.get(&key);
        if kept.is_none_or(|kept| kept.source.rank() <= setting.source.rank()) {
            self.0.insert(key, setting);
        }
    }

    /// Yields all settings: the name with its prefix, the name without it, the setting.
    pub(super) fn all(&self) -> impl Iterator<Item = (&str, &str, &Property)> {
        self.0.iter().map(|(key, setting)| (key.as_str(), split(key).1, setting))
    }

    /// Returns the setting of a property that `client` gets: the one with its prefix, otherwise the shared one.
    /// `name` has to be canonical.
    pub(crate) fn get(&self, client: ClientKind, name: &str) -> Option<&Property> {
        self.0.get(&format!("{}{name}", client.prefix())).or_else(|| self.0.get(name))
    }

    /// Returns all settings that `client` gets, by canonical name. A shared property that only the other client
    /// knows is left out; one with a prefix is not, so that the library refuses it.
    pub(super) fn of(&self, client: ClientKind) -> BTreeMap<&str, &Property> {
        let fits = |name: &str| match client {
            ClientKind::Consumer => !is_for_producers(name),
            ClientKind::Producer => !is_for_consumers(name),
        };
        let (mut shared, mut own) = (BTreeMap::new(), BTreeMap::new());
        for (key, setting) in &self.0 {
            let (prefix, name) = split(key);
            if prefix.is_empty() && fits(name) {
                shared.insert(name, setting);
            } else if prefix == client.prefix() {
                own.insert(name, setting);
            }
        }
        shared.append(&mut own);
        shared
    }
}

/// Splits `producer.client.id` into `producer.` and `client.id`. No property of the library begins with these
/// prefixes.
fn split(key: &str) -> (&str, &str) {
    let end = [ClientKind::Consumer.prefix(), ClientKind::Producer.prefix()]
        .iter()
        .find(|prefix| key.starts_with(**prefix))
        .map_or(0, |prefix| prefix.len());
    key.split_at(end)
}

/// Returns the key as it may be printed; `name` is the key without its prefix. A key that is certainly no name
/// becomes stars: a line of a secret may have been read as a setting.
pub(super) fn shown_name<'a>(key: &'a str, name: &str) -> &'a str {
    let is_clear = is_known(name) || cure(name).is_some() || is_name(name);
    if is_clear { key } else { STARS }
}

impl Property {
    /// Returns the value as it may be printed, or stars. The value of a secret file is never printed.
    pub(super) fn shown(&self, name: &str) -> Cow<'_, str> {
        if matches!(self.source, SettingOrigin::SecretFile { .. }) {
            Cow::Borrowed(STARS)
        } else {
            shown(name, &self.value)
        }
    }

    /// Returns the secrets to keep out of texts about this property: its value, if that must not be printed.
    pub(super) fn hidden(&self, name: &str) -> Secrets {
        let mut secrets = Secrets::default();
        if self.shown(name) != self.value {
            secrets.add(&self.value);
        }
        secrets
    }
}

impl fmt::Debug for Properties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.all().map(|(key, name, setting)| (shown_name(key, name), setting.shown(name))))
            .finish()
    }
}

impl fmt::Display for ClientKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Consumer => "consumer",
            Self::Producer => "producer",
        })
    }
}
