//! The properties that were set, by name: who set them, and which client gets them.

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
    pub(crate) value: String,
    pub(crate) source: SettingOrigin,
    /// Follows from another setting of the same source, and gives way with it: the assignor of a protocol.
    pub(super) implied: bool,
}

/// The properties that were set. A name may begin with `consumer.` or `producer.`: then only that client gets it.
#[derive(Clone, Default)]
pub(crate) struct Properties(BTreeMap<String, Property>);

/// Which client a setting is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClientKind {
    Consumer,
    Producer,
}

impl ClientKind {
    fn prefix(self) -> &'static str {
        match self {
            Self::Consumer => "consumer.",
            Self::Producer => "producer.",
        }
    }
}

impl Properties {
    /// Sets a property, unless a higher source did.
    pub(super) fn set(&mut self, key: &str, value: impl Into<String>, source: SettingOrigin) {
        self.insert(key, Property { value: value.into(), source, implied: false });
    }

    /// Sets a property that follows from another one.
    pub(super) fn imply(&mut self, key: &str, value: impl Into<String>, source: SettingOrigin) {
        self.insert(key, Property { value: value.into(), source, implied: true });
    }

    fn insert(&mut self, key: &str, setting: Property) {
        let (prefix, name) = split(key.trim());
        let key = format!("{prefix}{}", canonical(name));
        let kept = self.0.get(&key);
        if kept.is_none_or(|kept| kept.source.rank() <= setting.source.rank()) {
            self.0.insert(key, setting);
        }
    }

    /// All settings: as they were named, the library's name of it, the setting.
    pub(super) fn all(&self) -> impl Iterator<Item = (&str, &str, &Property)> {
        self.0.iter().map(|(key, setting)| (key.as_str(), split(key).1, setting))
    }

    /// What `client` gets for a property: its own setting, else the shared one.
    pub(crate) fn get(&self, client: ClientKind, name: &str) -> Option<&Property> {
        self.0.get(&format!("{}{name}", client.prefix())).or_else(|| self.0.get(name))
    }

    /// What `client` is given, without what is only for the other one.
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

/// `producer.client.id` is `producer.` and `client.id`. No property of the library begins like this.
fn split(key: &str) -> (&str, &str) {
    let end = [ClientKind::Consumer.prefix(), ClientKind::Producer.prefix()]
        .iter()
        .find(|prefix| key.starts_with(**prefix))
        .map_or(0, |prefix| prefix.len());
    key.split_at(end)
}

/// The key as it may be printed, of which `name` is the property: a line of a secret may have been read as one.
pub(super) fn shown_name<'a>(key: &'a str, name: &str) -> &'a str {
    let is_clear = is_known(name) || cure(name).is_some() || is_name(name);
    if is_clear { key } else { STARS }
}

impl Property {
    /// The value, or stars if it must not be shown.
    pub(super) fn shown(&self, name: &str) -> Cow<'_, str> {
        if matches!(self.source, SettingOrigin::SecretFile { .. }) {
            Cow::Borrowed(STARS)
        } else {
            shown(name, &self.value)
        }
    }

    /// What must be kept out of texts about it: its value, if that must not be shown.
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
