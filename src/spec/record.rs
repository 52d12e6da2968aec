//! How the spec's structures are read: each value straight into its place, so that nothing large is moved, and by one loop for
//! all structures. What serde derives takes a function of some hundred instructions for each, all of them for one use.

use super::{List, Text};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::collections::BTreeMap;
use std::fmt;

/// What a property may be.
pub trait Value<'de>: Default {
    /// Reads it into its place; `null` has been dealt with.
    fn fill<D: Deserializer<'de>>(&mut self, deserializer: D) -> Result<(), D::Error>;
}

/// A structure; [`record`] implements this.
pub trait Record<'de>: Value<'de> {
    /// As errors call it.
    const NAME: &'static str;
    /// Its properties, under the spec's names.
    const PROPERTIES: &'static [&'static str];
    /// Reads the property of this number; any other is passed over.
    fn set<A: MapAccess<'de>>(&mut self, number: usize, map: &mut A) -> Result<(), A::Error>;
}

macro_rules! plain {
    ($($type:ty)*) => {$(
        impl<'de> Value<'de> for $type {
            fn fill<D: Deserializer<'de>>(&mut self, deserializer: D) -> Result<(), D::Error> {
                *self = serde::Deserialize::deserialize(deserializer)?;
                Ok(())
            }
        }
    )*};
}
plain!(bool u16 u32 u64 i32 i64);

impl<'de: 'a, 'a> Value<'de> for Text<'a> {
    fn fill<D: Deserializer<'de>>(&mut self, deserializer: D) -> Result<(), D::Error> {
        *self = serde::Deserialize::deserialize(deserializer)?;
        Ok(())
    }
}

impl<'de, T: Value<'de>> Value<'de> for Option<T> {
    fn fill<D: Deserializer<'de>>(&mut self, deserializer: D) -> Result<(), D::Error> {
        self.insert(T::default()).fill(deserializer)
    }
}

impl<'de, T: Value<'de>> Value<'de> for List<T> {
    fn fill<D: Deserializer<'de>>(&mut self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(Items(self))
    }
}

impl<'de: 'a, 'a, T: Value<'de>> Value<'de> for BTreeMap<Text<'a>, T> {
    fn fill<D: Deserializer<'de>>(&mut self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(Entries(self))
    }
}

/// Reads a structure.
pub fn fill<'de, T: Record<'de>, D: Deserializer<'de>>(
    record: &mut T,
    deserializer: D,
) -> Result<(), D::Error> {
    deserializer.deserialize_map(Properties(record))
}

/// A property, which keeps its empty value where it is `null`: Go's encoder writes that for a list or map that is not there.
pub struct Property<'p, T>(pub &'p mut T);

impl<'de, T: Value<'de>> DeserializeSeed<'de> for Property<'_, T> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de, T: Value<'de>> Visitor<'de> for Property<'_, T> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a property")
    }
    fn visit_none<E: Error>(self) -> Result<(), E> {
        Ok(())
    }
    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.0.fill(deserializer)
    }
}

struct Properties<'p, T>(&'p mut T);

impl<'de, T: Record<'de>> Visitor<'de> for Properties<'_, T> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "struct {}", T::NAME)
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen = 0u64;
        while let Some(name) = map.next_key::<Text>()? {
            let number = number_of(&name, T::PROPERTIES);
            if let Some(name) = T::PROPERTIES.get(number) {
                if seen & 1 << number != 0 {
                    return Err(A::Error::duplicate_field(name));
                }
                seen |= 1 << number;
            }
            self.0.set(number, &mut map)?;
        }
        Ok(())
    }
}

/// The place of a name among those that are known; else a place behind them.
fn number_of(name: &str, known: &[&str]) -> usize {
    known.iter().position(|known| *known == name).unwrap_or(known.len())
}

/// Passes over what the spec does not know (config.md#extensibility).
pub fn ignore<'de, A: MapAccess<'de>>(map: &mut A) -> Result<(), A::Error> {
    map.next_value::<IgnoredAny>().map(drop)
}

struct Items<'p, T>(&'p mut List<T>);

impl<'de, T: Value<'de>> Visitor<'de> for Items<'_, T> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a sequence")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(Item(self.0))?.is_some() {}
        Ok(())
    }
}

struct Item<'p, T>(&'p mut List<T>);

impl<'de, T: Value<'de>> DeserializeSeed<'de> for Item<'_, T> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.0.push(T::default());
        self.0.last_mut().map_or(Ok(()), |item| item.fill(deserializer))
    }
}

struct Entries<'p, 'a, T>(&'p mut BTreeMap<Text<'a>, T>);

impl<'de: 'a, 'a, T: Value<'de>> Visitor<'de> for Entries<'_, 'a, T> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key()? {
            let mut value = T::default();
            map.next_value_seed(Whole(&mut value))?;
            self.0.insert(name, value);
        }
        Ok(())
    }
}

/// A value of a map, which cannot be `null`.
struct Whole<'p, T>(&'p mut T);

impl<'de, T: Value<'de>> DeserializeSeed<'de> for Whole<'_, T> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.0.fill(deserializer)
    }
}

/// Declares structures whose properties may all be absent or `null`. The spec's name of a property stands behind it where it is
/// another than the field's.
macro_rules! record {
    (@name $field:ident) => { stringify!($field) };
    (@name $field:ident $name:literal) => { $name };
    ($($(#[$meta:meta])* pub struct $record:ident $(<$life:lifetime>)? {
        $($(#[$fmeta:meta])* pub $field:ident: $type:ty $(= $name:literal)?,)*
    })*) => {$(
        $(#[$meta])*
        #[derive(Clone, Debug, Default)]
        #[allow(missing_docs, reason = "the fields are the spec's properties")]
        pub struct $record $(<$life>)? {
            $($(#[$fmeta])* pub $field: $type,)*
        }

        impl<'de $(: $life)? $(, $life)?> $crate::spec::record::Value<'de> for $record $(<$life>)? {
            fn fill<D: serde::Deserializer<'de>>(&mut self, deserializer: D) -> Result<(), D::Error> {
                $crate::spec::record::fill(self, deserializer)
            }
        }

        impl<'de $(: $life)? $(, $life)?> $crate::spec::record::Record<'de> for $record $(<$life>)? {
            const NAME: &'static str = stringify!($record);
            const PROPERTIES: &'static [&'static str] =
                &[$($crate::spec::record::record!(@name $field $($name)?),)*];
            fn set<A: serde::de::MapAccess<'de>>(&mut self, number: usize, map: &mut A) -> Result<(), A::Error> {
                #[allow(non_camel_case_types, reason = "the numbers of the fields, under their names")]
                enum Number { $($field,)* }
                match number {
                    $(number if number == Number::$field as usize => {
                        map.next_value_seed($crate::spec::record::Property(&mut self.$field))
                    })*
                    _ => $crate::spec::record::ignore(map),
                }
            }
        }
    )*};
}
pub(crate) use record;
