//! Finds a number in a value that JSON cannot represent: NaN or an infinity, which `serde_json` writes as `null`.
//!
//! Most values skip this check: only a value that was written with a `null` in it is visited once more.

use std::fmt::{self, Write as _};
use std::io;

use serde::Serialize;
use serde::ser::{
    Error, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};
use serde_json::ser::Formatter;

/// Writes compact JSON, and notes that a `null` was written.
#[derive(Debug, Default)]
pub(super) struct NotingNulls {
    pub(super) has_null: bool,
}

impl Formatter for &mut NotingNulls {
    fn write_null<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.has_null = true;
        writer.write_all(b"null")
    }
}

/// Returns a number that is not finite, and its position: `field `lines[2].price` is NaN`.
pub(super) fn not_finite<T: Serialize + ?Sized>(value: &T) -> Option<String> {
    match value.serialize(Walk) {
        Err(Found { number: Some(number), path }) if path.is_empty() => Some(format!("it is {number}")),
        Err(Found { number: Some(number), path }) => {
            let path: String = path.into_iter().rev().collect();
            Some(format!("field `{}` is {number}", path.trim_start_matches('.')))
        }
        _ => None,
    }
}

/// Visits a value and writes nothing.
#[derive(Clone, Copy)]
struct Walk;

/// A number that is not finite; none if the value's own code failed.
#[derive(Debug)]
struct Found {
    number: Option<f64>,
    /// The path, from the inside out.
    path: Vec<String>,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number that is not finite")
    }
}

impl std::error::Error for Found {}

impl Error for Found {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self { number: None, path: Vec::new() }
    }
}

impl Found {
    fn within(mut self, step: impl fmt::Display) -> Self {
        self.path.push(step.to_string());
        self
    }
}

/// Visits the elements of a list, the fields of a struct, or the entries of a map.
#[derive(Default)]
struct Inside {
    index: usize,
    key: String,
}

impl Inside {
    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Found> {
        let index = self.index;
        self.index += 1;
        value.serialize(Walk).map_err(|found| found.within(format_args!("[{index}]")))
    }
}

fn field<T: Serialize + ?Sized>(name: &str, value: &T) -> Result<(), Found> {
    value.serialize(Walk).map_err(|found| found.within(format_args!(".{name}")))
}

macro_rules! nothing {
    ($($name:ident($type:ty)),+) => {
        $(fn $name(self, _: $type) -> Result<(), Found> {
            Ok(())
        })+
    };
}

impl Serializer for Walk {
    type Ok = ();
    type Error = Found;
    type SerializeSeq = Inside;
    type SerializeTuple = Inside;
    type SerializeTupleStruct = Inside;
    type SerializeTupleVariant = Inside;
    type SerializeMap = Inside;
    type SerializeStruct = Inside;
    type SerializeStructVariant = Inside;

    nothing!(
        serialize_bool(bool),
        serialize_i8(i8),
        serialize_i16(i16),
        serialize_i32(i32),
        serialize_i64(i64),
        serialize_i128(i128),
        serialize_u8(u8),
        serialize_u16(u16),
        serialize_u32(u32),
        serialize_u64(u64),
        serialize_u128(u128),
        serialize_char(char),
        serialize_str(&str),
        serialize_bytes(&[u8]),
        serialize_unit_struct(&'static str)
    );

    fn serialize_f32(self, number: f32) -> Result<(), Found> {
        self.serialize_f64(f64::from(number))
    }

    fn serialize_f64(self, number: f64) -> Result<(), Found> {
        if number.is_finite() { Ok(()) } else { Err(Found { number: Some(number), path: Vec::new() }) }
    }

    fn serialize_none(self) -> Result<(), Found> {
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Found> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Found> {
        Ok(())
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, _: &'static str) -> Result<(), Found> {
        Ok(())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Found> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Found> {
        field(variant, value)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Inside, Found> {
        Ok(Inside::default())
    }

    fn serialize_tuple(self, _: usize) -> Result<Inside, Found> {
        Ok(Inside::default())
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Inside, Found> {
        Ok(Inside::default())
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Inside, Found> {
        Ok(Inside::default())
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Inside, Found> {
        Ok(Inside::default())
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Inside, Found> {
        Ok(Inside::default())
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Inside, Found> {
        Ok(Inside::default())
    }
}

macro_rules! elements {
    ($($trait:ident::$method:ident),+) => {$(
        impl $trait for Inside {
            type Ok = ();
            type Error = Found;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Found> {
                self.element(value)
            }

            fn end(self) -> Result<(), Found> {
                Ok(())
            }
        }
    )+};
}

elements!(
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field
);

macro_rules! fields {
    ($($trait:ident),+) => {$(
        impl $trait for Inside {
            type Ok = ();
            type Error = Found;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), Found> {
                field(name, value)
            }

            fn end(self) -> Result<(), Found> {
                Ok(())
            }
        }
    )+};
}

fields!(SerializeStruct, SerializeStructVariant);

impl SerializeMap for Inside {
    type Ok = ();
    type Error = Found;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Found> {
        self.key = serde_json::to_string(key).unwrap_or_default();
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Found> {
        value.serialize(Walk).map_err(|found| {
            let mut step = String::new();
            let _ = write!(step, ".{}", self.key.trim_matches('"'));
            found.within(step)
        })
    }

    fn end(self) -> Result<(), Found> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[derive(Serialize)]
    enum Shape {
        Circle { radius: f32 },
        Line(f64, f64),
        Point(f64),
    }

    #[derive(Serialize)]
    struct Drawing {
        name: Option<&'static str>,
        shapes: Vec<Shape>,
        scales: BTreeMap<&'static str, Option<f64>>,
    }

    fn drawing(shape: Shape, scale: f64) -> Drawing {
        Drawing { name: None, shapes: vec![Shape::Point(1.0), shape], scales: [("x", Some(scale))].into() }
    }

    #[test]
    fn a_number_that_is_not_finite_is_found_wherever_it_is() {
        for (value, path) in [
            (drawing(Shape::Circle { radius: f32::NAN }, 1.0), Some("field `shapes[1].radius` is NaN")),
            (drawing(Shape::Line(0.0, f64::INFINITY), 1.0), Some("field `shapes[1][1]` is inf")),
            (drawing(Shape::Point(f64::NEG_INFINITY), 1.0), Some("field `shapes[1].Point` is -inf")),
            (drawing(Shape::Point(1.0), f64::NAN), Some("field `scales.x` is NaN")),
            (drawing(Shape::Line(0.0, f64::MAX), f64::MIN), None),
        ] {
            assert_eq!(not_finite(&value).as_deref(), path);
        }
        assert_eq!(not_finite(&f64::NAN).as_deref(), Some("it is NaN"));
        assert_eq!(not_finite(&(1, "x", Some(2.5), ())), None);
    }
}
