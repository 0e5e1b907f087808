//! Values that the app shares with its handlers.

use std::any::type_name;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use super::{FromDelivery, Requirements};
use crate::delivery::Delivery;
use crate::result::Rejection;

/// A value that the app got by `.state(..)` or `.state_with(..)`, found by its type.
///
/// It holds an `Arc<T>`: `T` need not be `Clone`, and `&*state` is a `&T`. Do not pass an `Arc` of the value to the
/// app, because that would be another type. At startup, before anything is read, faststream checks that the app has the
/// value.
///
/// ```
/// use faststream::State;
///
/// struct Prices(f64);
///
/// async fn bill(State(prices): State<Prices>) -> f64 {
///     prices.0
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// // In a unit test the handler is called as the function that it is.
/// assert_eq!(bill(State::from(Prices(2.5))).await, 2.5);
/// # }
/// ```
pub struct State<T>(pub Arc<T>);

impl<T: Send + Sync + 'static> FromDelivery for State<T> {
    fn from_delivery(delivery: &Delivery<'_>) -> Result<Self, Rejection> {
        delivery.context.states.shared().map(Self).ok_or_else(missing::<T>)
    }

    fn requires(requirements: &mut Requirements) {
        requirements.state::<T>();
    }
}

impl<T> Clone for State<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Deref for State<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> From<T> for State<T> {
    fn from(value: T) -> Self {
        Self(Arc::new(value))
    }
}

/// Prints the type only, because states hold connections and secrets.
impl<T> fmt::Debug for State<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "State<{}>", type_name::<T>())
    }
}

/// Only an app that was started without its checks gets here.
#[cold]
fn missing<T>() -> Rejection {
    Rejection::new(format!("the app has no state `{}`: give it one with `.state(..)`", type_name::<T>()))
}

#[cfg(test)]
mod tests {
    use std::any::TypeId;

    use super::*;
    use crate::fixture::DeliveryFixture;

    struct NotClone(u32);

    #[test]
    fn a_state_is_shared_not_cloned() {
        let fixture = DeliveryFixture::new("orders").state(NotClone(7));
        let one = State::<NotClone>::from_delivery(&fixture.delivery()).unwrap();
        let State(two) = State::<NotClone>::from_delivery(&fixture.delivery()).unwrap();
        assert_eq!(one.0.0, 7);
        assert!(Arc::ptr_eq(&one.0, &two));
    }

    #[test]
    fn a_missing_state_is_named_with_its_cure() {
        let fixture = DeliveryFixture::new("orders");
        let error = State::<NotClone>::from_delivery(&fixture.delivery()).unwrap_err();
        assert!(
            error.message().contains("state::tests::NotClone`: give it one with `.state(..)`"),
            "{error}"
        );
    }

    #[test]
    fn it_is_asked_for_at_start() {
        let mut requirements = Requirements::default();
        State::<NotClone>::requires(&mut requirements);
        assert_eq!(requirements.states()[0].0, TypeId::of::<NotClone>());
    }
}
