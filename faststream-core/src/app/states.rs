//! Shared values by type.

use std::any::{Any, TypeId};
use std::collections::BTreeMap;

/// Shared values of the app, one of a type.
#[derive(Default)]
pub struct States {
    values: BTreeMap<TypeId, Box<dyn Any + Send + Sync>>,
}

impl States {
    /// Adds a value; a later one of the same type replaces the earlier.
    pub fn insert<T: Send + Sync + 'static>(&mut self, value: T) {
        self.values.insert(TypeId::of::<T>(), Box::new(value));
    }

    /// The value of this type.
    #[must_use]
    pub fn get<T: 'static>(&self) -> Option<&T> {
        self.values.get(&TypeId::of::<T>())?.downcast_ref()
    }

    /// Whether there is a value of this type.
    #[must_use]
    pub fn contains(&self, type_id: TypeId) -> bool {
        self.values.contains_key(&type_id)
    }
}

impl std::fmt::Debug for States {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "States({})", self.values.len())
    }
}
