//! What a subscriber's arguments require of the app.

use std::any::TypeId;

/// The requirements of a subscriber's arguments, collected at startup.
#[derive(Debug, Default)]
pub struct Requirements {
    states: Vec<(TypeId, &'static str)>,
    takes_ack: bool,
    captures: bool,
}

impl Requirements {
    /// Requires a state of type `T` in the app.
    pub fn state<T: 'static>(&mut self) {
        self.states.push((TypeId::of::<T>(), std::any::type_name::<T>()));
    }

    /// Requires the ack policy `Manual`: an argument settles the record.
    pub fn ack(&mut self) {
        self.takes_ack = true;
    }

    /// Returns whether an argument settles the record.
    #[must_use]
    pub fn takes_ack(&self) -> bool {
        self.takes_ack
    }

    /// Requires that the handler reads by a `pattern`: an argument reads the captures of the topic's name.
    pub fn captures(&mut self) {
        self.captures = true;
    }

    /// Returns whether an argument reads the captures of the topic's name.
    #[must_use]
    pub fn needs_pattern(&self) -> bool {
        self.captures
    }

    /// Returns the required states: type and name.
    #[must_use]
    pub fn states(&self) -> &[(TypeId, &'static str)] {
        &self.states
    }
}
