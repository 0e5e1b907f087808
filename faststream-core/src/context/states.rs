//! Shared values by type.

use std::any::{Any, TypeId};
use std::collections::BTreeMap;
use std::sync::Arc;

use super::drop_safely;

/// Shared values of the app, at most one of each type. Clones share the values.
#[derive(Default, Clone)]
pub struct States {
    values: BTreeMap<TypeId, Arc<dyn Any + Send + Sync>>,
}

impl States {
    /// Adds a value. A later one of the same type replaces the earlier one.
    pub fn insert<T: Send + Sync + 'static>(&mut self, value: T) {
        self.insert_shared(TypeId::of::<T>(), Arc::new(value));
    }

    /// Returns the value of this type.
    #[must_use]
    pub fn get<T: 'static>(&self) -> Option<&T> {
        self.values.get(&TypeId::of::<T>())?.downcast_ref()
    }

    /// Returns the value of this type, shared.
    #[must_use]
    pub fn shared<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        Arc::clone(self.values.get(&TypeId::of::<T>())?).downcast().ok()
    }

    /// Returns whether there is a value of this type.
    #[must_use]
    pub fn contains(&self, type_id: TypeId) -> bool {
        self.values.contains_key(&type_id)
    }

    /// Adds a value whose type is known only by its id.
    pub(crate) fn insert_shared(&mut self, type_id: TypeId, value: Arc<dyn Any + Send + Sync>) {
        drop_safely(self.values.insert(type_id, value));
    }
}

impl Drop for States {
    /// The drop of a value may panic. The others are dropped anyway, and the app continues to end.
    fn drop(&mut self) {
        std::mem::take(&mut self.values).into_values().for_each(drop_safely);
    }
}

impl std::fmt::Debug for States {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "States({})", self.values.len())
    }
}
