//! Tables without an order of their own. std gives each another order each time, so that strangers
//! cannot choose keys that collide; in a simulation it is the same each time, since what is done
//! with all of a table's entries is done in that order.

/// std's, in a simulation with the same order each time. Made by `default`.
pub(crate) type HashMap<K, V> = std::collections::HashMap<K, V, Order>;

/// The same for sets.
pub(crate) type HashSet<K> = std::collections::HashSet<K, Order>;

#[cfg(not(feature = "sim"))]
pub(crate) type Order = std::hash::RandomState;

/// What the order of a table depends on.
#[cfg(feature = "sim")]
#[derive(Clone)]
pub(crate) struct Order(Option<std::hash::RandomState>);

#[cfg(feature = "sim")]
impl Default for Order {
    fn default() -> Order {
        Order((!super::turns::is_here()).then(std::hash::RandomState::new))
    }
}

#[cfg(feature = "sim")]
impl std::hash::BuildHasher for Order {
    type Hasher = std::hash::DefaultHasher;

    fn build_hasher(&self) -> Self::Hasher {
        self.0.as_ref().map_or_else(Self::Hasher::new, |random| random.build_hasher())
    }
}
