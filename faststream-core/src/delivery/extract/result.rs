//! `Result<T, Rejection>`: the handler sees bad payloads itself.

use super::{FromDelivery, FromPayload};
use crate::delivery::Delivery;
use crate::result::Rejection;

/// The payload, or why it cannot be read. The handler decides, and `on_decode_error` does not apply.
///
/// `T` is a payload: any `Deserialize` type, `Option` of one, `Json<T>`, `Text`, `Raw`.
impl<T: FromPayload> FromDelivery for Result<T, Rejection> {
    const DECODES_PAYLOAD: bool = true;

    fn from_delivery(delivery: &Delivery<'_>) -> Result<Self, Rejection> {
        Ok(T::from_payload(delivery))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Json, Text};
    use super::*;
    use crate::fixture::DeliveryFixture;

    #[test]
    fn a_bad_payload_reaches_the_handler() {
        let fixture = DeliveryFixture::new("orders").payload("seven");
        let read = Result::<u64, Rejection>::from_delivery(&fixture.delivery()).unwrap();
        assert!(read.unwrap_err().message().contains("not JSON"));
        let read = Result::<Text, Rejection>::from_delivery(&fixture.delivery()).unwrap();
        assert_eq!(read, Ok(Text("seven".into())));
    }

    #[test]
    fn a_good_payload_is_ok() {
        let fixture = DeliveryFixture::new("orders").payload("7");
        let read = Result::<Json<u64>, Rejection>::from_delivery(&fixture.delivery()).unwrap();
        assert_eq!(read, Ok(Json(7)));
    }

    #[test]
    fn a_tombstone_is_an_error_of_what_is_no_option() {
        let fixture = DeliveryFixture::new("orders");
        assert!(Result::<u64, Rejection>::from_delivery(&fixture.delivery()).unwrap().is_err());
        assert_eq!(Result::<Option<u64>, Rejection>::from_delivery(&fixture.delivery()), Ok(Ok(None)));
    }
}
